"""What encoding's ports stand on."""
