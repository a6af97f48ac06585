"""Data sets by manifest: what a picture shows, where it is from, what it may be used for, and its digest."""
