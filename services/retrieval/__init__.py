"""Keeps the memory of exemplars and proposes the labels that are most like a query."""
