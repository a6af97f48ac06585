"""The second look at a scene, as the service takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from models.evaluation.encoders import NAMES
from models.segmentation.prepared import Square
from models.segmentation.second_look import SecondLook, crops, joined, places
from models.vision.preparation import DEFAULTS

See = Callable[[UInt8[np.ndarray, "n 224 224 3"]], dict[str, Float32[np.ndarray, "n dim"]]]
"""Encodes crops into named spaces."""


@dataclass(frozen=True)
class Twice:
    """How crops of the surest places are seen as well before names are scored.

    Attributes:
        look: How many, and how they are joined.
        see: Sees them.
    """

    look: SecondLook
    see: See

    def __call__(
        self, square: Square, outputs: Mapping[str, np.ndarray], image: UInt8[np.ndarray, "h w 3"]
    ) -> dict[str, np.ndarray]:
        """Return what is seen of a picture after both looks.

        Args:
            square: How it lies in what was read.
            outputs: Of its image pass.
            image: The picture.
        """
        boxes = square.to_image(outputs["boxes"].astype(np.float64))
        chosen = places(boxes, outputs["objectness"], self.look)
        if not len(chosen):
            return dict(outputs)
        vectors = self.see(np.stack(crops(image, boxes[chosen], DEFAULTS)))[NAMES]
        own = (outputs["queries"], outputs["offsets"])
        queries, offsets = joined(*own, boxes, chosen, vectors, look=self.look)
        return {**outputs, "queries": queries, "offsets": offsets}
