"""Where to look: what a caller points at, and what a detector saw. Pure."""
