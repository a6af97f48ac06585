"""What a detector's processor does to the pixels of a square."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from models.importer.preprocessing import FILE, channels_of
from models.importer.refusal import Refused

_STEPS: Final = ("do_resize", "do_rescale", "do_normalize")
_MOST_PX: Final = 2048


class Channels(NamedTuple):
    """Of red, green and blue, what is subtracted and what is divided by."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET: Final = Channels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: Final = Channels((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Pixels:
    """From bytes to what the first layer reads.

    Attributes:
        side_px: Of the square.
        rescale: What bytes are multiplied by.
        channels: What is done to each channel then.
    """

    side_px: int
    rescale: float
    channels: Channels

    def normalised(self, squares: UInt8[np.ndarray, "n side side 3"]) -> Float32[np.ndarray, "n 3 side side"]:
        """Return what the published formula makes of squares."""
        mean, std = np.array(self.channels.mean), np.array(self.channels.std)
        return ((squares * self.rescale - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)


def pixels_of(said: Mapping[str, Any], *, sides: Sequence[str], side_px: int, channels: Channels) -> Pixels:
    """Return what a `preprocessor_config.json` says.

    Args:
        said: Its content.
        sides: The names of the side that count, the first that is there.
        side_px: The side if none is there.
        channels: What they are if it does not say.

    Raises:
        Refused: A step is left out, or a number cannot be meant.
    """
    for step in _STEPS:
        if not said.get(step, True):
            raise Refused(f"{FILE} says {step} = false; the importer knows only processors that do it")
    size = said.get("size", {})
    found = [size[name] for name in sides if isinstance(size, Mapping) and name in size]
    side = found[0] if found else side_px
    if not isinstance(side, int) or not 1 <= side <= _MOST_PX:
        raise Refused(f"{FILE} asks for {side!r} pixels; 1 to {_MOST_PX} are possible")
    if isinstance(size, Mapping) and size.get("width", side) != side:
        raise Refused(f"{FILE} makes pictures that are not square: size = {size}")
    rescale = said.get("rescale_factor", 1 / 255)
    if not isinstance(rescale, float) or not 0 < rescale <= 1:
        raise Refused(f"{FILE} says rescale_factor = {rescale!r}; a number above 0, at most 1, is needed")
    return Pixels(
        side,
        rescale,
        Channels(
            channels_of("image_mean", said.get("image_mean", channels.mean), least=-math.inf),
            channels_of("image_std", said.get("image_std", channels.std), least=1e-6),
        ),
    )
