"""Fovea's services, and what they share: `kernel` (words) and `runtime` (how a process runs)."""
