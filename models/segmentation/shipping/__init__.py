"""From a trained detector to the folders of the store."""
