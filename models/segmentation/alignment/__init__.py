"""How well a text names a region."""
