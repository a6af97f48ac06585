"""Which proposal learns from which truth."""
