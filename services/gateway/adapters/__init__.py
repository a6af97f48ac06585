"""What stands behind the gateway's ports, one module a service or a runtime port."""
