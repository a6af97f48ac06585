"""A detector by colour: it finds the rectangle of each plain colour, and knows colours by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
DIM = 4
QUERIES = 6
CELLS = 96
_SURE = 8.0


def read(texts: Sequence[str]) -> Float32[np.ndarray, "n dim"]:
    """Return which colours a text names: a number for each."""
    return np.array([[float(name in text) for name in COLOURS] for text in texts], dtype=np.float32)


class ColourImages:
    """Finds rectangles: region i is that of the i-th colour, a colour that is not there is nowhere."""

    def __init__(self) -> None:
        self.sentences: list[np.ndarray] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return regions, masks of the same rectangles, and the sentences as they were."""
        (picture,) = inputs["images"]
        self.sentences.append(inputs["sentences"])
        side_px = picture.shape[0]
        boxes = np.zeros((1, QUERIES, 4), dtype=np.float32)
        queries = np.zeros((1, QUERIES, DIM), dtype=np.float32)
        masks = np.full((1, QUERIES, CELLS, CELLS), -_SURE, dtype=np.float32)
        for place, colour in enumerate(COLOURS.values()):
            inside = (np.abs(picture.astype(int) - colour) < 64).all(axis=2)
            if not inside.any():
                continue
            rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
            edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            boxes[0, place] = edges / side_px
            queries[0, place, place] = 2 * _SURE
            left, top, right, bottom = np.rint(edges * CELLS / side_px).astype(int)
            masks[0, place, top:bottom, left:right] = _SURE
        return {
            "queries": queries,
            "offsets": np.full((1, QUERIES), -_SURE, dtype=np.float32),
            "boxes": boxes,
            "objectness": queries.max(axis=2) - _SURE,
            "mask_queries": np.eye(QUERIES, dtype=np.float32)[None],
            "mask_features": masks,
            "texts": inputs["sentences"],
            "relations": np.zeros((1, QUERIES, inputs["sentences"].shape[1]), dtype=np.float32),
        }


class ColourScorer:
    """Scores texts by the colours that they name."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the product of regions and texts."""
        logits = inputs["queries"] @ inputs["texts"].transpose(0, 2, 1) + inputs["offsets"][:, :, None]
        return {"logits": logits}
