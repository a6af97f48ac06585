"""Messages of the gateway, and of the services that it calls, to values and back."""
