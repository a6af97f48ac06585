"""What ranking's ports stand on."""
