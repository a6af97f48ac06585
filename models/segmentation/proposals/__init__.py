"""Which places of a picture are worth a closer look."""
