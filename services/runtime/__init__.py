"""How a process runs: gRPC server, event loop, event log, object store, model execution, settings, telemetry."""
