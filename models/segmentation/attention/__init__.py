"""Attention that looks at a few learnt places instead of everywhere."""
