"""The event log: partitioned, ordered, durable topics (port in `ports`, embedded adapter in `sqlite`)."""
