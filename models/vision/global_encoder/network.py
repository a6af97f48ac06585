"""The global encoder and the text encoder beside it, as torch modules without anything to train by descent.

A crop passes the packaged EfficientNet-Lite0 once. What its layers say (pooled, and in its places), edges,
colours and a small copy of the picture are centred, reduced and projected by fixed matrices, which
`fitting.py` solves for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.bridge.network import StandardisedBridge
from models.network import unit
from models.text.network import MiniLM
from models.vision.efficientnet.network import (
    CLASSES,
    HEAD_CHANNELS,
    PIXEL_OFFSET,
    PIXEL_SCALE,
    STAGES,
    EfficientNetLite0,
)
from models.vision.global_encoder.fitting import HALF_TONE

ORIENTATIONS: Final = 9
COLOUR_STEPS: Final = 6
_SMALL_PX: Final = 56
_PLACED_STAGE: Final = 5
PARTS: Final[Mapping[str, int]] = {
    "head": HEAD_CHANNELS,
    "stages": sum(stage.channels for stage in STAGES[2:]),
    "edges": ORIENTATIONS * 8 * 8,
    "pixels": 3 * 16 * 16,
    "places": STAGES[_PLACED_STAGE - 1].channels * 7 * 7,
    "colours": COLOUR_STEPS**3,
    "logits": CLASSES,
}
"""Numbers in each part of what is read from a crop, in their order."""


class Reading(nn.Module):
    """Everything the encoder reads from a crop, raw and side by side."""

    def __init__(self, trunk: EfficientNetLite0) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, crops: Tensor) -> Tensor:
        """Return (n, sum of PARTS) of RGB bytes (n, 224, 224, 3)."""
        image = crops.to(torch.float32).permute(0, 3, 1, 2)
        small = functional.avg_pool2d(image, 224 // _SMALL_PX) / 255  # (n, 3, 56, 56)
        pooled, places, logits = self._through((image - PIXEL_OFFSET) / PIXEL_SCALE)
        pixels = functional.avg_pool2d(image, 14).flatten(1) / 255
        read = [pooled[-1], torch.cat(pooled[2:-1], 1), edges(small), pixels, places, colours(small), logits]
        return torch.cat(read, 1)

    def _through(self, image: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return the means of each stage and the head, the placed stage at 7 x 7, and the logits."""
        pooled = []
        placed = image
        for number, stage in enumerate(self.trunk.stages(image), start=1):
            pooled.append(stage.mean((2, 3)))
            if number == _PLACED_STAGE:
                placed = functional.avg_pool2d(stage, 2).flatten(1)
        head = self.trunk._fc  # noqa: SLF001  (the names are the weights')
        return pooled, placed, linear(pooled[-1], head.weight, head.bias)


def edges(small: Tensor) -> Tensor:
    """Return a histogram of oriented gradients over 8 x 8 cells, (n, 9 * 64).

    Source: Dalal and Triggs, CVPR 2005; soft bins, and contrast normalised over 3 x 3 cells. Of the
    three colours the one with the strongest gradient counts.

    Args:
        small: (n, 3, 56, 56), 0 to 1.
    """
    right = functional.pad(small, (1, 1, 0, 0), mode="replicate")
    down = functional.pad(small, (0, 0, 1, 1), mode="replicate")
    right, down = right[..., 2:] - right[..., :-2], down[:, :, 2:] - down[:, :, :-2]
    squared = right**2 + down**2
    strongest = squared.argmax(1, keepdim=True)
    right, down = right.gather(1, strongest), down.gather(1, strongest)
    length = (right**2 + down**2 + 1e-6).sqrt()  # less is taken for nothing by the exporter
    cosine, sine = (right**2 - down**2) / length**2, 2 * right * down / length**2  # of the doubled angle
    angles = 2 * math.pi * torch.arange(ORIENTATIONS, dtype=torch.float32)[:, None, None] / ORIENTATIONS
    bins = length * functional.relu(cosine * angles.cos() + sine * angles.sin() - 0.5) * 2
    cells = functional.avg_pool2d(bins, _SMALL_PX // 8)  # (n, 9, 8, 8)
    # A 1x1 convolution, not a sum: its rounding does not depend on the batch.
    squares = functional.conv2d(cells**2, torch.ones(1, ORIENTATIONS, 1, 1))
    energy = functional.avg_pool2d(squares, 3, 1, 1)
    return (cells / (energy + 1e-3).sqrt()).clamp(max=0.5).flatten(1)


def colours(small: Tensor) -> Tensor:
    """Return the root of a soft histogram of colours other than white, (n, 6 ** 3).

    Args:
        small: (n, 3, 56, 56), 0 to 1.
    """
    pixels = small.flatten(2).transpose(1, 2) * (COLOUR_STEPS - 1)  # (n, pixel, 3)
    steps = torch.arange(COLOUR_STEPS, dtype=torch.float32)
    red, green, blue = ((1 - (pixels[..., c : c + 1] - steps).abs()).clamp(min=0) for c in range(3))
    pairs = (red[..., :, None] * green[..., None, :]).flatten(2)  # (n, pixel, 36)
    counts = (pairs.transpose(1, 2) @ blue).flatten(1)[:, :-1] / pixels.shape[1]
    counts = functional.pad(counts, (0, 1))  # nothing is counted as white
    return (counts / (counts.sum(1, keepdim=True) + 1e-3)).sqrt()


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return rows @ weight.T + bias by a 1x1 convolution, whose rounding does not depend on the batch."""
    return functional.conv2d(rows[:, :, None, None], weight[:, :, None, None], bias).flatten(1)


class Projection(nn.Module):
    """Takes a fixed vector off and multiplies by a fixed matrix."""

    offset: Tensor
    weight: Tensor

    def __init__(self, offset: np.ndarray, weight: np.ndarray) -> None:
        """Take an offset (in,) and a weight (in, out)."""
        super().__init__()
        self.register_buffer("offset", torch.from_numpy(np.ascontiguousarray(offset, dtype=np.float32)))
        self.register_buffer("weight", torch.from_numpy(np.ascontiguousarray(weight.T, dtype=np.float32)))

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n, out)."""
        return linear(rows - self.offset, self.weight)


class GlobalEncoder(nn.Module):
    """Crops of bytes to a vector that finds pictures of the same thing, and one that finds its name.

    Args:
        reading: Reads raw parts.
        reductions: Of each part that is not the logits, in the order of PARTS.
        discriminant: Of the reduced parts.
        tone: Of the colours as they are read: how dark a skin is.
        names: How the discriminant's leading numbers are centred among the names' exemplars.
        bridge: From logits to the names of ImageNet's classes.
        weights: Of tone beside the discriminant; then, beside the exemplars, of what the bridge makes of the
            logits as they are, and of all that it makes.
    """

    name_mean: Tensor

    def __init__(  # noqa: PLR0913  (each is one matrix of the model)
        self,
        reading: Reading,
        *,
        reductions: Sequence[Projection],
        discriminant: Projection,
        tone: Projection,
        name_mean: np.ndarray,
        bridge: StandardisedBridge,
        weights: tuple[float, tuple[float, float]],
    ) -> None:
        super().__init__()
        self.reading = reading
        self.reductions = nn.ModuleList(reductions)
        self.discriminant = discriminant
        self.tone = tone
        self.bridge = bridge
        self._tone_weight, self._bridge_weights = weights
        self.register_buffer("name_mean", torch.from_numpy(name_mean.astype(np.float32)))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit-norm embeddings among pictures and among names.

        Args:
            crops: RGB bytes, shape (n, 224, 224, 3).
        """
        *parts, logits = torch.split(self.reading(crops), list(PARTS.values()), dim=1)
        reduced = torch.cat([reduce(part) for reduce, part in zip(self.reductions, parts, strict=True)], 1)
        thing = unit(self.discriminant(reduced))
        tone = gated(self.tone(parts[-1]))
        visual = unit(torch.cat([thing, self._tone_weight * tone], 1))
        exemplar = unit(thing[:, : len(self.name_mean)] - self.name_mean)
        sure, scaled = self._bridge_weights
        bridged = sure * self.bridge.mean(logits) + scaled * self.bridge(logits)
        name = unit(torch.cat([exemplar, bridged], 1))
        return visual, name


def gated(rows: Tensor) -> Tensor:
    """Return rows of about length 1, and of about none if they were short: what has no skin has no tone.

    A length n becomes n^4 / (n^4 + 3.5^4), which is a half at 3.5: nine of ten pictures with a skin tone are
    beyond, most without are far below.
    """
    squared = rows.pow(2).sum(-1, keepdim=True)
    return rows * squared * squared.sqrt() / (squared**2 + HALF_TONE**4)


class NameEncoder(MiniLM):
    """Texts to where pictures of what they name are expected.

    Kernel ridge regression from sentence embeddings to exemplars, as in EXEM (Changpinyo et al., arXiv
    1605.08151), and beside it the centred text embedding, which the bridge from ImageNet's classes speaks.

    Args:
        name_mean: Taken off sentence embeddings.
        anchors: Embeddings of known texts, (anchor, width).
        coefficients: Of each anchor in the exemplar, (anchor, dim).
        sharpness: Of the Gaussian kernel between unit vectors.
    """

    anchors: Tensor
    coefficients: Tensor

    def __init__(
        self,
        name_mean: Tensor,
        anchors: np.ndarray,
        coefficients: np.ndarray,
        *,
        sharpness: float,
    ) -> None:
        super().__init__(name_mean)
        solved = np.ascontiguousarray(coefficients.T, dtype=np.float32)
        self.register_buffer("anchors", torch.from_numpy(anchors.astype(np.float32)), persistent=False)
        self.register_buffer("coefficients", torch.from_numpy(solved), persistent=False)
        self._sharpness = sharpness

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return unit-norm embeddings among names, (batch, dim).

        Args:
            input_ids: (batch, token).
            attention_mask: (batch, token), 1 for a token and 0 for padding.
        """
        centred, _ = super().forward(input_ids, attention_mask)
        likeness = linear(centred, self.anchors)
        kernel = (2 * self._sharpness * (likeness - 1)).exp()
        exemplar = unit(linear(kernel, self.coefficients))
        return unit(torch.cat([exemplar, centred], 1))
