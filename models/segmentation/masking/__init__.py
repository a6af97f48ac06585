"""Masks as products of queries and pixels."""
