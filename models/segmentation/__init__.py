"""Finding everything that a list of texts names: boxes and masks of every region, in one pass."""
