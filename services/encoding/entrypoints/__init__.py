"""The doors of encoding: gRPC and events."""
