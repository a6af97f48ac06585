"""COCO JSON in and out, so that anyone's data set is learned from without code."""
