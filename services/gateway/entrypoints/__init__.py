"""Where calls and events come in: decode, call, encode."""
