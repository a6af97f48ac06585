"""Teaches what scores found boxes against texts, once boxes are found."""
