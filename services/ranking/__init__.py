"""Orders the candidates of a region and says how far none of them fits."""
