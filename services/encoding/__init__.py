"""Turns regions of images, and texts, into embeddings."""
