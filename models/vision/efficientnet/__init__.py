"""EfficientNet-Lite0, the default image encoder."""
