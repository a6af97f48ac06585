"""Encoders that do not know the names that they are asked for."""
