"""EfficientNet-Lite0 as a torch module whose names are those of the packaged state dict.

Source: EfficientNet (Tan and Le, arXiv 1905.11946) in its Lite variant: ReLU6, no
squeeze-and-excitation, the stem and the head not scaled. The weights were trained in
TensorFlow, hence the asymmetric padding and the batch norm's epsilon.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import unit

BATCH_NORM_EPSILON = 1e-3
CLASSES = 1000
SIDE_PX = 224
PIXEL_OFFSET = 127.0
PIXEL_SCALE = 128.0
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


class Stage(NamedTuple):
    """One run of equal blocks; only its first block strides and changes the channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": an odd pixel goes right and below."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name is torch's)
        """Return a map of ceil(side / stride) pixels a side."""
        sides: list[int] = []
        for size, kernel, stride in zip(
            reversed(input.shape[-2:]), reversed(self.kernel_size), reversed(self.stride), strict=True
        ):
            missing = max((-(-int(size) // stride) - 1) * stride + kernel - int(size), 0)
            sides += [missing // 2, missing - missing // 2]
        return super().forward(functional.pad(input, sides))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON)


class Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow, add where shapes allow."""

    def __init__(self, channels_in: int, stage: Stage, *, stride: int) -> None:
        super().__init__()
        wide = channels_in * stage.expansion
        self._widens = stage.expansion != 1
        if self._widens:
            self._expand_conv = nn.Conv2d(channels_in, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv(wide, wide, stage.kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, stage.channels, 1, bias=False)
        self._bn2 = _norm(stage.channels)
        self._adds = stride == 1 and channels_in == stage.channels

    def forward(self, image: Tensor) -> Tensor:
        """Return the stage's map."""
        wide = functional.relu6(self._bn0(self._expand_conv(image))) if self._widens else image
        wide = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow: Tensor = self._bn2(self._project_conv(wide))
        return narrow + image if self._adds else narrow


class EfficientNetLite0(nn.Module):
    """Loads the packaged state dict strictly."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM_CHANNELS, 3, 2, bias=False)
        self._bn0 = _norm(STEM_CHANNELS)
        self._blocks = nn.ModuleList()
        channels = STEM_CHANNELS
        for stage in STAGES:
            for position in range(stage.blocks):
                stride = stage.stride if position == 0 else 1
                self._blocks.append(Block(channels, stage, stride=stride))
                channels = stage.channels
        self._conv_head = nn.Conv2d(channels, HEAD_CHANNELS, 1, bias=False)
        self._bn1 = _norm(HEAD_CHANNELS)
        self._fc = nn.Linear(HEAD_CHANNELS, CLASSES)

    def stages(self, image: Tensor) -> Iterator[Tensor]:
        """Yield the map of each stage and then the head's; what nobody asks for is not computed.

        Args:
            image: Scaled to about [-1, 1], shape (n, 3, h, w).
        """
        image = functional.relu6(self._bn0(self._conv_stem(image)))  # (n, 32, h / 2, w / 2)
        ends = tuple(accumulate(stage.blocks for stage in STAGES))
        for position, block in enumerate(self._blocks, start=1):
            image = block(image)
            if position in ends:
                yield image
        yield self.head(image)  # (n, 1280, h / 32, w / 32)

    def head(self, last: Tensor) -> Tensor:
        """Return the map that is pooled for the classes, of the last stage's."""
        return functional.relu6(self._bn1(self._conv_head(last)))

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return pooled maps and class logits of images scaled to about [-1, 1].

        Args:
            image: Shape (n, 3, 224, 224).

        Returns:
            The mean over places of each stage's map and of the head's, from shallow to
            deep, each (n, channels); and the ImageNet logits (n, 1000).
        """
        pooled = [each.mean((2, 3)) for each in self.stages(image)]
        # A 1x1 convolution, not a matrix product: its rounding does not depend on the batch.
        weight = self._fc.weight[:, :, None, None]
        logits = functional.conv2d(pooled[-1][:, :, None, None], weight, self._fc.bias)
        return pooled, logits.flatten(1)


PATCH_PX = 14
WEIGHTS = (1.0, 1.0, 0.6)
"""Of the head, the middle stages and the pixels in the embedding; measured, see the model card."""
DIMENSIONS = (HEAD_CHANNELS, sum(stage.channels for stage in STAGES[2:]), 3 * 16 * 16)


class Encoder(nn.Module):
    """Crops of bytes to unit-norm embeddings and ImageNet logits.

    The embedding joins what the picture shows (the head), of what textures and parts it is
    made (the middle stages) and where which colour is (pixels), each centred and of length
    1 before it is weighted, so that no part drowns another.
    """

    mean: Tensor

    def __init__(self, trunk: EfficientNetLite0, mean: Tensor) -> None:
        super().__init__()
        self.trunk = trunk
        self.register_buffer("mean", mean, persistent=False)

    def features(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return the three parts side by side, raw, and the logits."""
        image = ((crops.to(torch.float32) - PIXEL_OFFSET) / PIXEL_SCALE).permute(0, 3, 1, 2)
        pooled, logits = self.trunk(image)
        pixels = functional.avg_pool2d(image, PATCH_PX).flatten(1)  # (n, 3 * 16 * 16)
        return torch.cat([pooled[-1], *pooled[2:-1], pixels], dim=1), logits

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (n, 2792) and logits (n, 1000).

        Args:
            crops: RGB bytes, shape (n, 224, 224, 3).
        """
        features, logits = self.features(crops)
        parts = torch.split(features - self.mean, list(DIMENSIONS), dim=1)
        weighted = [weight * unit(part) for weight, part in zip(WEIGHTS, parts, strict=True)]
        return unit(torch.cat(weighted, dim=1)), logits
