"""The memory in segments: an exact write buffer, immutable files beside it, and indexes over those."""
