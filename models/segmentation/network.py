"""The detector: a small APE (Shen et al., arXiv 2312.02153) on a frozen trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from models.segmentation.alignment.network import Alignment, score
from models.segmentation.attention.network import Values
from models.segmentation.masking.network import MaskHead
from models.segmentation.proposals.network import Proposals, Proposer, corners, middles
from models.segmentation.pyramid.network import Downward, Laterals
from models.segmentation.reading.network import RegionReader
from models.segmentation.refining.network import Refiner
from models.segmentation.relating.network import Relations
from models.segmentation.settings import DEFAULTS, DetectorSettings
from models.segmentation.transformer.network import DecoderLayer, Encoder
from models.vision.efficientnet.network import (
    HEAD_CHANNELS,
    PIXEL_OFFSET,
    PIXEL_SCALE,
    STAGES,
    EfficientNetLite0,
)

_READ_STAGES: Final = (1, 2, 4, 6)
CHANNELS: Final = tuple(STAGES[at].channels for at in _READ_STAGES)
STRIDES: Final = (4, 8, 16, 32)


@dataclass(frozen=True, eq=False)
class Maps:
    """What the frozen trunk sees of a picture; all that is needed of it afterwards.

    Attributes:
        levels: Of strides 4, 8, 16, 32 with 24, 40, 112, 320 channels. May be kept in 16 bits.
    """

    levels: tuple[Float[Tensor, "b _c _h _w"], ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """What one layer of the decoder found.

    Attributes:
        boxes: Left, top, right, bottom as shares of the square's side.
        queries: For `alignment.network.score`: the head, folded onto the side of the regions.
        offsets: Likewise.
    """

    boxes: Float[Tensor, "b q 4"]
    queries: Float[Tensor, "b q texts"]
    offsets: Float[Tensor, "b q"]


@dataclass(frozen=True, eq=False)
class Found:
    """All that was found in a batch.

    Attributes:
        proposals: Of every cell, before queries were chosen.
        layers: Of the decoder, the last one being the result.
        objectness: Logit of the proposal that each query was.
        mask_queries: Of the last layer; for `masking.network.mask_logits`.
        mask_features: Likewise.
        texts: The sentences as the picture changed them; rows of zeros are as they were.
        insides: What the trunk sees inside each region.
        relations: What is added to the logits of regions and sentences: see `Relations`. Nothing for rows of
            zeros, nor while the rest is trained.
    """

    proposals: Proposals
    layers: tuple[Layer, ...]
    objectness: Float[Tensor, "b q"]
    mask_queries: Float[Tensor, "b q masks"]
    mask_features: Float[Tensor, "b masks h w"]
    texts: Float[Tensor, "b s texts"]
    insides: Float[Tensor, "b q seen"]
    relations: Float[Tensor, "b q s"]


class Detector(nn.Module):
    """Finds, boxes and masks what texts name.

    Args:
        trunk: With the packaged weights; it is never trained.
        settings: All sizes.
    """

    def __init__(self, trunk: EfficientNetLite0, settings: DetectorSettings = DEFAULTS) -> None:
        super().__init__()
        self.settings = settings
        self.trunk = trunk.requires_grad_(requires_grad=False)
        fine, *others = CHANNELS
        sides = [settings.side_px // stride for stride in STRIDES]
        self.norms = nn.ModuleList(nn.BatchNorm2d(each, affine=False) for each in CHANNELS)
        self.deep_norm = nn.BatchNorm2d(HEAD_CHANNELS, affine=False)
        self.laterals = Laterals(others, settings.width)
        self.encoder = Encoder(settings, sides[2:])
        self.down = Downward(settings.width, settings.width)
        self.proposer = Proposer(settings, sides[1:])
        self.start = nn.Sequential(nn.Linear(settings.width, settings.width), nn.LayerNorm(settings.width))
        self.values = Values(settings.width, heads=settings.heads)  # one for all layers: three would cost
        self.decoder = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.decoder_layers))
        self.reader = RegionReader(settings, CHANNELS[:3], HEAD_CHANNELS, stride=STRIDES[-1])
        self.refiner = Refiner(settings, CHANNELS[:3])
        self.widen = nn.Linear(settings.width, settings.aligned)
        widths = [settings.width] * (settings.decoder_layers - 1) + [settings.aligned]
        self.alignments = nn.ModuleList(Alignment(width, settings.texts) for width in widths)
        self.masks = MaskHead(fine, settings.width, masks=settings.masks, side=sides[1])
        self.relations = Relations(settings, sum(CHANNELS[:3]))

    def train(self, mode: bool = True) -> Detector:  # noqa: FBT001, FBT002  (the signature is torch's)
        """Set the mode of all but the trunk, which stays as it is used."""
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, images: UInt8[Tensor, "b side side 3"], sentences: Float[Tensor, "b s texts"]) -> Found:
        """Return what is found in pictures; see `read` and `find`."""
        return self.find(self.read(images), sentences)

    def read(self, images: UInt8[Tensor, "b side side 3"]) -> Maps:
        """Return what the trunk sees of RGB bytes."""
        with torch.no_grad():
            image = ((images.to(torch.float32) - PIXEL_OFFSET) / PIXEL_SCALE).permute(0, 3, 1, 2)
            stages = list(islice(self.trunk.stages(image), _READ_STAGES[-1] + 1))
        return Maps(tuple(stages[stage] for stage in _READ_STAGES))

    def find(self, maps: Maps, sentences: Float[Tensor, "b s texts"]) -> Found:
        """Return what is found in what was read.

        Args:
            maps: Of any precision.
            sentences: Vectors of phrases or sentences, which are shown to the picture; fewer than s are
                filled up with rows of zeros. For names, one row of zeros (`Fusion` says why).
        """
        levels = self.standardised(maps)
        pyramid, texts = self._pyramid(levels, sentences)
        proposals, seen = self.proposer(_cells(pyramid))
        chosen = self.proposer.choose(proposals)
        start = middles(_at(proposals.boxes, chosen).detach())
        boxes, read = self._refine(self.start(_at(seen, chosen)), start, pyramid)
        mask_queries, features = self.masks(levels[0], pyramid[0], read[-1])
        if not self.training:  # what learns by itself shall not come between the decoder and its losses
            boxes[-1], fits = self.refiner(boxes[-1], levels[:3])
        seen_regions = self.reader.look(boxes[-1], levels[:3], self._deep(maps.levels[-1]))
        regions = self.widen(read[-1]) + self.reader.think(*seen_regions)
        aligned = [head(each) for head, each in zip(self.alignments, [*read[:-1], regions], strict=True)]
        insides = self.reader.middle(seen_regions[0])
        relations = texts.new_zeros(*regions.shape[:2], texts.shape[1])
        if not self.training:
            queries, offsets = aligned[-1]
            offsets = offsets + self.settings.fits_weigh * functional.logsigmoid(fits)
            aligned[-1] = queries, offsets
            relations = self.relations(insides, boxes[-1], sentences, score(queries, offsets, texts))
        return Found(
            proposals,
            tuple(Layer(box, *pair) for box, pair in zip(boxes, aligned, strict=True)),
            proposals.logits.gather(1, chosen),
            mask_queries,
            features,
            texts,
            insides,
            relations,
        )

    def propose(self, maps: Maps, sentences: Float[Tensor, "b s texts"]) -> Proposals:
        """Return where there may be something, whatever it is; see `find`."""
        pyramid, _ = self._pyramid(self.standardised(maps), sentences)
        return self.proposer(_cells(pyramid))[0]

    def look(self, maps: Maps, boxes: Float[Tensor, "b q 4"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the region reader sees in given boxes; see `RegionReader.look`."""
        return self.reader.look(boxes, self.standardised(maps)[:3], self._deep(maps.levels[-1]))

    def standardised(self, maps: Maps) -> list[Float[Tensor, "b _c _h _w"]]:
        """Return what the trunk saw, each channel on one scale."""
        return [norm(each.float()) for norm, each in zip(self.norms, maps.levels, strict=True)]

    def _pyramid(self, levels: Sequence[Tensor], sentences: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the levels of strides 8, 16 and 32, and the sentences, as they changed each other."""
        fine, middle, coarse = self.laterals(levels[1:])
        (middle, coarse), texts = self.encoder([middle, coarse], sentences)
        return [self.down(middle, fine), middle, coarse], texts

    def _refine(
        self, queries: Tensor, boxes: Tensor, pyramid: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return each decoder layer's boxes (left, top, right, bottom), and queries as heads read them."""
        found, outputs, values = [], [], self.values(pyramid)
        for layer in self.decoder:
            queries, moved, read = layer(queries, boxes, values)
            found.append(corners(moved))
            outputs.append(read)
            boxes = moved.detach()
        return found, outputs

    def _deep(self, coarsest: Tensor) -> Tensor:
        """Return what the trunk's own head makes of its coarsest map, (b, 1280, side, side)."""
        with torch.no_grad():
            head = self.trunk.head(coarsest.float())
        return self.deep_norm(head)


def _cells(maps: Sequence[Float[Tensor, "b c _h _w"]]) -> Float[Tensor, "b cells c"]:
    """Return the cells of all levels, one level after the other, row by row."""
    return torch.cat([each.flatten(2) for each in maps], 2).transpose(1, 2)


def _at(rows: Float[Tensor, "b n c"], chosen: Int64[Tensor, "b q"]) -> Float[Tensor, "b q c"]:
    """Return the chosen rows of each picture."""
    return rows.gather(1, chosen[..., None].expand(-1, -1, rows.shape[-1]))
