"""What retrieval's ports stand on."""
