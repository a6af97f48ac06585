"""How well the detector finds, boxes and masks what texts name."""
