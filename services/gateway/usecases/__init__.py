"""What the gateway does, one module a group of use cases."""
