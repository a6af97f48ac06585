"""Where texts and picture change each other."""
