"""The doors of retrieval: gRPC and events."""
