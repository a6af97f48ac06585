"""From what the image encoder sees to the space of names, without paired training."""
