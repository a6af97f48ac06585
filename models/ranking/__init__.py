"""Ordering candidates with a language model: prompts, what is read from it, and when it is not asked."""
