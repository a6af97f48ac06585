"""Boxes that are moved by what is seen in and around them."""
