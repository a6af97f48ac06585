"""What `model.toml` says of an imported detector."""

from __future__ import annotations

from typing import Any, Final

from models.importer import export
from models.importer.detectors.families import DetectorCheckpoint

FREE: Final = -1
"""Of an axis: any size."""


def head_of(checkpoint: DetectorCheckpoint, name: str, what: str, more: str) -> dict[str, Any]:
    """Return what the description of a model that sees squares begins with."""
    side, channels = checkpoint.pixels.side_px, checkpoint.pixels.channels
    how = "stretched to" if checkpoint.family.stretched else "longer side to the side, upper left of"
    return {
        **export.head(checkpoint, name, what),
        "preprocessing": f"models/segmentation/imported/squares.py: {how} {side} x {side} pixels. "
        f"In the graph: times {checkpoint.pixels.rescale:.6g}, minus {channels.mean}, "
        f"over {channels.std}. {more}",
    }


def finding(checkpoint: DetectorCheckpoint, *, partner: str = "") -> dict[str, Any]:
    """Return what it finds things by, with which other model."""
    family = checkpoint.family
    return {
        "by": family.by,
        "fit": "stretch" if family.stretched else "corner",
        "partner": partner,
        "threshold": family.threshold,
    }


def images(checkpoint: DetectorCheckpoint) -> dict[str, Any]:
    """Return the input that has squares."""
    side = checkpoint.pixels.side_px
    return export.tensor("images", "UINT8", (FREE, side, side, 3), "batch, row, column, RGB", (0, 255))


def token_rows(length: int, vocabulary: int) -> list[dict[str, Any]]:
    """Return the inputs that have texts, in rows of a length, or of any: -1."""
    return [
        export.tensor("input_ids", "INT64", (FREE, length), "batch, token", (0, vocabulary - 1)),
        export.tensor("attention_mask", "INT64", (FREE, length), "batch, token", (0, 1)),
    ]


def texts_in_words(most: int) -> str:
    """Return how texts become tokens, for people."""
    return f"models/segmentation/imported/texts.py with the tokenizer beside it: at most {most} tokens."
