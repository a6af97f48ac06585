"""What earlier pictures were asked for, as negatives for later ones."""
