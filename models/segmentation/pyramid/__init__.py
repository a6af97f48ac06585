"""The trunk's maps, brought to one width."""
