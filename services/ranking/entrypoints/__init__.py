"""The doors of ranking: gRPC and events."""
