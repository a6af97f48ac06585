"""A second look at the surest places: what an encoder sees in their crops joins the detector's own scores.

The detector's logit of a text t at a place is query·t + offset, and an encoder of crops that sees into the
space of texts says c of the place's crop. A sum of both, own (query·t + offset) + crop (c·t) + shift, is
query'·t + offset' again: whatever is asked later costs no more, and no answer depends on another prompt.
Some crops are near to every name. How near a crop is to names at large, none of them asked, joins the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from models.segmentation.outputs import Rules, iou
from models.vision.boxes import Box
from models.vision.preparation import PreparationSettings, prepare

APART: Final = 0.5
"""Intersection over union above which a place is not looked at beside a surer one."""
DOUBLES: Final = Rules().overlap
"""The same above which a place takes what was seen at another: they would be one answer to one prompt."""
_SHARPNESS: Final = 0.05
"""Cosine by which one name of those at large counts e times as much as another."""


@dataclass(frozen=True, eq=False)
class SecondLook:
    """How many places are looked at, and how what is seen joins the detector's logits.

    Attributes:
        most: Places of one picture.
        least_objectness: Logit of being a thing at all from which on a place is looked at.
        own: What the detector's logit is multiplied with.
        crop: What the product of the crop's vector and a text's is multiplied with.
        shift: What is added.
        near: What the crop's nearness to names at large is multiplied with; 0: there are none.
        names: Those at large, as texts are read, of length 1.
    """

    most: int
    least_objectness: float
    own: float
    crop: float
    shift: float
    near: float = 0.0
    names: Float32[np.ndarray, "name dim"] = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def places(
    boxes: Float[np.ndarray, "n 4"], objectness: Float32[np.ndarray, "n"], look: SecondLook
) -> Int64[np.ndarray, "k"]:
    """Return the places to look at, the surest first: whatever is asked, they are the same.

    Args:
        boxes: Left, top, right, bottom in pixels of the picture, of all its views one after the other; one
            without area is no place.
        objectness: Logits of being a thing at all.
        look: How many.
    """
    sure = np.flatnonzero(objectness >= look.least_objectness)
    sure = sure[np.argsort(-objectness[sure], kind="stable")]
    overlap: Float[np.ndarray, "m m"] = iou(boxes[sure])
    chosen: list[int] = []
    for place in range(len(sure)):
        if len(chosen) >= look.most:
            break
        if overlap[place, place] > 0 and not (overlap[place, chosen] > APART).any():
            chosen.append(place)
    return sure[chosen]


def crops(
    picture: UInt8[np.ndarray, "h w 3"], boxes: Float[np.ndarray, "k 4"], settings: PreparationSettings
) -> Sequence[UInt8[np.ndarray, "size size 3"]]:
    """Return what is shown at each place, in the pixels of the picture, as an encoder reads it.

    Args:
        picture: RGB.
        boxes: Left, top, right, bottom in pixels; each holds something of the picture.
        settings: Of the encoder.

    Raises:
        ValueError: If a box lies outside.
    """
    height_px, width_px = picture.shape[:2]
    return [prepare(picture, Box.around(*box).within(width_px, height_px), None, settings) for box in boxes]


def nearness(
    seen: Float32[np.ndarray, "k dim"], names: Float32[np.ndarray, "name dim"]
) -> Float32[np.ndarray, "k"]:
    """Return how near each crop is to names at large: a mean of its cosines in which the highest count most.

    Args:
        seen: The vectors of crops, of length 1.
        names: Likewise, of at least one name.
    """
    cosines = seen @ names.T / np.float32(_SHARPNESS)
    return np.asarray(_SHARPNESS * (np.logaddexp.reduce(cosines, axis=1) - np.log(len(names))), np.float32)


def read_names(path: Path) -> Float32[np.ndarray, "name dim"]:
    """Return names at large as they are kept, in half precision. Raises ValueError if there are none."""
    kept = np.load(path, allow_pickle=False)
    if kept.dtype != np.float16 or kept.ndim != 2 or not kept.size or not np.isfinite(kept).all():  # noqa: PLR2004
        raise ValueError(f"{path} holds no rows of half-precision numbers")
    rows: np.ndarray = kept.astype(np.float32)
    return rows


def joined(  # noqa: PLR0913  (a place is its query, offset and box)
    queries: Float32[np.ndarray, "n dim"],
    offsets: Float32[np.ndarray, "n"],
    boxes: Float[np.ndarray, "n 4"],
    chosen: Int64[np.ndarray, "k"],
    seen: Float32[np.ndarray, "k dim"],
    *,
    look: SecondLook,
) -> tuple[Float32[np.ndarray, "n dim"], Float32[np.ndarray, "n"]]:
    """Return queries and offsets with what was seen.

    Doubles of a place that was looked at gain what it gains; all other places stay as they are.

    Args:
        queries: Of all places.
        offsets: Of all places.
        boxes: As for `places`.
        chosen: The places that were looked at.
        seen: The vectors of their crops, of length 1, among those of texts.
        look: How they are joined.
    """
    if not len(chosen):
        return queries, offsets
    overlap = iou(boxes)[:, chosen]  # (n, k)
    source = overlap.argmax(axis=1)
    source[chosen] = np.arange(len(chosen))
    gains = overlap.max(axis=1) > DOUBLES
    gains[chosen] = True
    more = np.float32(look.own - 1) * queries[chosen] + np.float32(look.crop) * seen  # (k, dim)
    shifts = np.float32(look.own - 1) * offsets[chosen] + np.float32(look.shift)  # (k)
    if look.near:
        shifts += np.float32(look.near) * nearness(seen, look.names)
    new_queries, new_offsets = queries.copy(), offsets.copy()
    new_queries[gains] += more[source[gains]]
    new_offsets[gains] += shifts[source[gains]]
    return new_queries, new_offsets
