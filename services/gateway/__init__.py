"""The door of the platform: recognises, teaches, and keeps collections and records."""
