"""The part of docs/quality.md that is about ranking."""
