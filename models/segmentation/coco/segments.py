"""Masks as COCO JSON writes them: polygons, run lengths, and run lengths packed into letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Bool

from models.segmentation.coco.errors import BadSegmentation
from models.vision import masks

_FIRST_LETTER: Final = 48
_BITS: Final = 5
_MORE: Final = 32
_NEGATIVE: Final = 16
_BACK: Final = 2


def mask_of(segmentation: Any, *, width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
    """Return the mask in the size of its image.

    Args:
        segmentation: Polygons (each x, y, x, y, ...), of which a pixel is in any; or `size` and `counts`.
        width_px: Of the image.
        height_px: Of the image.

    Raises:
        BadSegmentation: If it is neither, or not of an image of that size.
    """
    try:
        if isinstance(segmentation, dict):
            return _from_runs(segmentation, width_px, height_px)
        whole = np.zeros((height_px, width_px), dtype=np.bool_)
        for polygon in segmentation:
            corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
            whole |= masks.rasterise([corners], width_px=width_px, height_px=height_px)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise BadSegmentation(str(error) or type(error).__name__) from error
    return whole


def runs_of(mask: Bool[np.ndarray, "h w"]) -> dict[str, list[int]]:
    """Return a mask as run lengths that no packing hides."""
    return {"size": list(mask.shape), "counts": list(masks.encode(mask))}


def unpacked(letters: str) -> list[int]:
    """Return the run lengths of letters.

    Each letter holds five bits, the lowest first, and whether more follow; from the fourth on, what is
    written is the difference to the length two before. Source: COCO's mask API.

    Raises:
        BadSegmentation: If the letters end within a number, or are none of these.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in letters:
        bits = ord(letter) - _FIRST_LETTER
        if not 0 <= bits < 2 * _MORE:
            raise BadSegmentation(f"{letter!r} is no letter of packed run lengths")
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _NEGATIVE:
            value -= 1 << shift
        counts.append(value + counts[-_BACK] if len(counts) > _BACK else value)
        value = shift = 0
    if shift:
        raise BadSegmentation("packed run lengths end within a number")
    return counts


def _from_runs(segmentation: dict[str, Any], width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
    if list(segmentation["size"]) != [height_px, width_px]:
        raise BadSegmentation(f"run lengths of {segmentation['size']}, not of [{height_px}, {width_px}]")
    said = segmentation["counts"]
    counts: Sequence[int] = unpacked(said) if isinstance(said, str) else [int(count) for count in said]
    return masks.decode(counts, width_px=width_px, height_px=height_px)
