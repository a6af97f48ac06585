"""The object store: bytes under keys (port in `ports`, embedded adapter in `folder`)."""
