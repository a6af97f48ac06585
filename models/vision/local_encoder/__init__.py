"""The local encoder: fine patch features of tiles, and regions read from them."""
