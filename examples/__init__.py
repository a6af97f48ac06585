"""Programs that use Fovea from outside, and the pictures they use."""
