"""Proposes the regions of an image that are worth recognising."""
