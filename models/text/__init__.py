"""Reading: texts in, tokens out, and the text encoder."""
