"""Seeing: pictures in, pixels and crops out, and the image encoder."""
