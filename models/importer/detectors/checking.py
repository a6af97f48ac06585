"""What a written detector computes, held against transformers' own model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image

from models.importer.detectors.families import DetectorCheckpoint
from models.importer.export import LEAST_COSINE, TOLERANCE
from models.importer.opening import processor_of
from models.importer.pictures import pixels
from models.importer.refusal import Refused
from models.segmentation.imported.squares import Fit, square_of
from models.segmentation.prepared import Square, draw

_ROUNDED: Final = 0.01
"""Share of GroundingDINO's queries that may differ: of two places that score the same but for the last digit,
either may come first, and each is then refined as what it was ranked."""
Arrays = Mapping[str, np.ndarray]


class Squares:
    """Pictures as a checkpoint is shown them.

    Args:
        checkpoint: Says side and fit.
        images: UINT8 (h, w, 3) each.
    """

    def __init__(self, checkpoint: DetectorCheckpoint, images: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> None:
        side = checkpoint.pixels.side_px
        fit: Fit = "stretch" if checkpoint.family.stretched else "corner"
        self.placed = [square_of(each.shape[1], each.shape[0], side_px=side, fit=fit) for each in images]
        self.drawn: UInt8[np.ndarray, "n side side 3"] = np.stack(
            [draw(image, square) for image, square in zip(images, self.placed, strict=True)]
        )
        self.sizes: Int64[np.ndarray, "n 2"] = np.array(
            [(square.height_px, square.width_px) for square in self.placed], dtype=np.int64
        )

    @classmethod
    def noise(cls, checkpoint: DetectorCheckpoint) -> Squares:
        """Return two squares of noise, of which the second is not quite full."""
        side = checkpoint.pixels.side_px
        drawn = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        return cls(checkpoint, [drawn[0], drawn[1, :, : side - side // 4]])

    @classmethod
    def real(cls, checkpoint: DetectorCheckpoint, paths: Sequence[Path]) -> Squares:
        """Return real pictures."""
        return cls(checkpoint, [pixels(path) for path in paths])

    def inputs(self, *, sized: bool) -> dict[str, np.ndarray]:
        """Return them as a graph reads them."""
        return {"images": self.drawn, **({"sizes": self.sizes} if sized else {})}

    def normalised(self, checkpoint: DetectorCheckpoint, *, emptied: bool) -> torch.Tensor:
        """Return them by the published formula, what is outside the picture empty or grey."""
        found = checkpoint.pixels.normalised(self.drawn)
        for row, (rows, columns) in zip(found, self.sizes, strict=True):
            if emptied:
                row[:, rows:] = 0
                row[:, :, columns:] = 0
        return torch.from_numpy(found)


def difference(found: Arrays, wanted: Arrays, *, ranked: bool = False) -> float:
    """Return the largest difference of any number, as a share of the largest number where that is above 1.

    Args:
        found: Of the graph.
        wanted: Of transformers, by the same names.
        ranked: Whether the second axis is places by rank, of which a few may have changed theirs.
    """
    apart = []
    for name, expected in wanted.items():
        size = max(1.0, float(np.abs(expected).max()))
        apart.append(np.abs(found[name] - expected) / size)
    if not ranked:
        return max(float(each.max()) for each in apart)
    rows = np.max([each.max(axis=-1).reshape(-1) for each in apart], axis=0)  # (place,)
    return float(np.sort(rows)[int(np.ceil(len(rows) * (1 - _ROUNDED))) - 1])


def checked(found: float, *, name: str) -> float:
    """Return a difference. Raises Refused if it is too large, or no number."""
    if not found <= TOLERANCE:
        raise Refused(f"{name} is {found:.1e} from transformers, more than {TOLERANCE}: nothing was written")
    return found


def likeness(checkpoint: DetectorCheckpoint, paths: Sequence[Path]) -> float | None:
    """Return how alike pictures are that were prepared here and by transformers: the least cosine.

    Compared is what the picture fills; None: transformers cannot prepare them without torchvision.

    Raises:
        Refused: They are not alike.
    """
    if checkpoint.family.processor is None:
        return None
    squares = Squares.real(checkpoint, paths)
    here = checkpoint.pixels.normalised(squares.drawn)
    least = 1.0
    for path, own, square in zip(paths, here, squares.placed, strict=True):
        said: dict[str, Any] = dict(checkpoint.said)
        if (
            "shortest_edge" in checkpoint.family.sides
        ):  # it rounds sizes otherwise: a pixel of a small picture
            said["size"] = {"height": square.height_px, "width": square.width_px}
        processor = processor_of(checkpoint.family, said)
        theirs = np.asarray(
            processor([Image.fromarray(pixels(path))], return_tensors="np")["pixel_values"][0]
        )
        least = min(least, _cosine(own, theirs, square))
    if not least >= LEAST_COSINE:
        raise Refused(
            f"pictures prepared here and by transformers are {least:.4f} alike, less than {LEAST_COSINE}"
        )
    return least


def _cosine(own: Float[np.ndarray, "3 _ _"], theirs: Float[np.ndarray, "3 _ _"], square: Square) -> float:
    rows, columns = min(square.height_px, theirs.shape[1]), min(square.width_px, theirs.shape[2])
    first, second = (each[:, :rows, :columns].astype(np.float64).ravel() for each in (own, theirs))
    lengths = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(first @ second) / max(lengths, 1e-12)
