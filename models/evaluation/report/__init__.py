"""Turns what was measured into docs/quality.md and its plots."""
