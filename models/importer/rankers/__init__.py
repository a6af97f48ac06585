"""Language models that see pictures, imported so that they order candidates."""
