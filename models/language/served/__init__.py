"""The language model as it is served: quantised as its package has it, and nothing of it rounded further."""
