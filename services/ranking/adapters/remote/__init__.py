"""Multimodal models on servers of others, behind the port of ranking."""
