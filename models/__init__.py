"""The methods: NumPy and Pillow modules that serving may import, torch modules that it may not."""
