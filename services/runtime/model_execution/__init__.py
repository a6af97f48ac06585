"""Model execution: named tensors in, named tensors out (port in `ports`)."""
