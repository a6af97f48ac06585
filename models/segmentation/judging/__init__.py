"""The detector asked development scenes."""
