"""Teaches the region reader what things are called, before it is told where they are."""
