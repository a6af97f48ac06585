"""Fitting of the second look."""
