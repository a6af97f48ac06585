"""All services in one process on embedded adapters: the only package that knows every service."""
