"""What segmentation's ports stand on."""
