"""What a box holds, as the untouched trunk sees it."""
