"""The doors of segmentation: gRPC and events."""
