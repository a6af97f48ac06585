"""How a process runs: gRPC, event loop, event log, object store, model execution, settings, telemetry."""
