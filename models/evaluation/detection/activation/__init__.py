"""What a class-activation map of the packaged image model would give, at best."""
