"""Reading and continuing text: the packaged language model, which can be given pictures as tokens."""
