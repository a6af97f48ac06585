"""What phrases say of things beside their names, and which things it is true of."""
