"""The model repository of Triton, rendered from the model store."""
