"""Speed and size as ratios against a bare loop, both sides in one run and in turn; nothing is asserted."""
