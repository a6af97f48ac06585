"""Training of everything behind the trunk."""
