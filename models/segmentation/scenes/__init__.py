"""Scenes with exact truth, because they are composed: what is laid where, and which words are true of it."""
