"""A part of a graph that runs only where it says something."""
