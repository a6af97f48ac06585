"""What a checkpoint's own processor does to a picture, in the words of model.toml.

Source of the keys and their meaning: `preprocessor_config.json` as transformers reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.importer.refusal import Refused
from models.vision.preparation import Fit, PreparationSettings, Resample

FILE: Final = "preprocessor_config.json"
_RESAMPLES: Final[Mapping[int, Resample]] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_STEPS: Final = ("do_resize", "do_rescale", "do_normalize")
_MOST_PX: Final = 2048
_CHANNELS: Final = 3


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to what the first layer reads.

    Attributes:
        size_px: Side of the square.
        fit: What happens to a picture that is not square.
        resize_px: With `cover`, what the shorter side becomes before the middle is cut out; 0: `size_px`.
        resample: The filter.
        rescale: What bytes are multiplied by.
        mean: Of the three channels, subtracted then.
        std: Of the three channels, divided by at last.
    """

    size_px: int
    fit: Fit
    resize_px: int
    resample: Resample
    rescale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def settings(self) -> PreparationSettings:
        """How a whole picture becomes a crop."""
        return PreparationSettings(
            size_px=self.size_px, fit=self.fit, resize_px=self.resize_px, resample=self.resample
        )

    @property
    def words(self) -> str:
        """For people."""
        how = {
            "pad": f"longer side to {self.size_px} pixels, padded with white",
            "stretch": f"stretched to {self.size_px} x {self.size_px} pixels",
            "cover": f"shorter side to {self.resize_px or self.size_px} pixels, "
            f"the middle {self.size_px} x {self.size_px} cut out",
        }[self.fit]
        return (
            f"models/vision/preparation.py: {how}, {self.resample}. In the graph: times {self.rescale:.6g}, "
            f"minus {_listed(self.mean)}, over {_listed(self.std)} (red, green, blue)."
        )


def understood(processor: Any) -> Preprocessing:
    """Return what a processor of transformers does.

    Raises:
        Refused: It does something else than resize, cut out the middle, and normalise.
    """
    for step in _STEPS:
        if not getattr(processor, step, False):
            raise Refused(f"{FILE} says {step} = false; the importer knows only processors that do it")
    if processor.resample not in _RESAMPLES:
        raise Refused(f"{FILE} says resample = {processor.resample}; known are {sorted(_RESAMPLES)}")
    size_px, fit, resize_px = _geometry(processor)
    if not 1 <= size_px <= _MOST_PX or resize_px > _MOST_PX:
        raise Refused(f"{FILE} asks for {max(size_px, resize_px)} pixels; 1 to {_MOST_PX} are possible")
    return Preprocessing(
        size_px=size_px,
        fit=fit,
        resize_px=0 if resize_px == size_px else resize_px,
        resample=_RESAMPLES[processor.resample],
        rescale=float(processor.rescale_factor),
        mean=channels_of("image_mean", processor.image_mean, least=-math.inf),
        std=channels_of("image_std", processor.image_std, least=1e-6),
    )


def _geometry(processor: Any) -> tuple[int, Fit, int]:
    """Return the square's side, how it is filled, and what the shorter side becomes before."""
    whole = _edge(getattr(processor, "max_image_size", None), "longest_edge")
    if whole:  # of a picture that may be cut into tiles of that side, but need not
        return whole, "stretch", 0
    height, width, shorter = (_edge(processor.size, key) for key in ("height", "width", "shortest_edge"))
    if not getattr(processor, "do_center_crop", False):
        if not height or height != width:
            raise Refused(f"{FILE} makes pictures that are not square: size = {processor.size}")
        return height, "stretch", 0
    side, across = (_edge(processor.crop_size, key) for key in ("height", "width"))
    if not side or side != across:
        raise Refused(f"{FILE} cuts out what is not square: crop_size = {processor.crop_size}")
    if height and height == width == side:
        return side, "stretch", 0
    if not shorter or shorter < side:
        raise Refused(f"{FILE} resizes to {processor.size} and cuts out {side}: that is not known here")
    return side, "cover", shorter


def _edge(size: Any, key: str) -> int:
    found = size.get(key) if isinstance(size, Mapping) else getattr(size, key, None)
    return found if isinstance(found, int) else 0


def channels_of(key: str, values: Any, *, least: float) -> tuple[float, ...]:
    """Return three numbers, each at least `least`. Raises Refused."""
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != _CHANNELS or not all(math.isfinite(each) and each >= least for each in numbers):
        raise Refused(f"{FILE} says {key} = {values!r}; three numbers are needed, of a spread above 0")
    return numbers


def _listed(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"
