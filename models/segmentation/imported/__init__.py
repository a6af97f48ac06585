"""Detectors that were imported: what they are asked, and what their answers mean. Free of torch."""
