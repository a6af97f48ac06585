"""The sizes of the detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DetectorSettings:
    """Everything that decides the shapes of the detector's weights and outputs.

    Attributes:
        side_px: Side of the square pictures that are read; a multiple of 32.
        texts: Dimensions of a text vector.
        width: Channels of the transformer and its pyramid.
        heads: Of every attention; divides the width.
        points: That each head samples from each level.
        hidden: Width inside the feed-forward parts.
        encoder_layers: Each with a fusion layer in front of it.
        decoder_layers: Each refines the boxes of the one before it.
        fused: Joint width of text and picture in a fusion layer.
        anchor_cells: Side of the box that each cell proposes before it has learnt anything, in cells.
        proposals: The most that each level proposes, from fine to coarse.
        overlap: Intersection over union above which the lesser of two proposals is dropped; published are
            0.9 with 900 queries, of which a hundred would be spent on few things.
        suppressions: Steps of suppressing; exact as long as no chain of dropped boxes is longer.
        queries: Proposals that are refined; what the detector finds at most.
        masks: Channels of a mask query.
        aligned: Width in which the last layer's queries and texts meet.
        region_points: Along each side of the grid that a box is read at.
        region_kept: Channels of each of its points.
        region_hidden: Width inside what reads a region.
        refine_points: Along each side of the grid by which a box is moved.
        refine_reach: Side of that grid, in sides of the box.
        refinements: How often boxes are moved so.
        fits_weigh: How many times the logarithm of how well a box fits is added to its logits.
        cue_hidden: Width inside what reads cues from a sentence.
        cue_dropout: Share of it that is left out at random while it learns.
        relation_heads: Ways in which a phrase may mean things.
        relation_kinds: Ways in which one thing may stand to another.
    """

    side_px: int = 384
    texts: int = 640
    width: int = 128
    heads: int = 8
    points: int = 4
    hidden: int = 256
    encoder_layers: int = 2
    decoder_layers: int = 3
    fused: int = 128
    anchor_cells: float = 4.0
    proposals: tuple[int, int, int] = (256, 128, 48)
    overlap: float = 0.7
    suppressions: int = 16
    queries: int = 100
    masks: int = 64
    aligned: int = 256
    region_points: int = 5
    region_kept: int = 32
    region_hidden: int = 256
    refine_points: int = 7
    refine_reach: float = 1.5
    refinements: int = 1
    fits_weigh: float = 2.0
    cue_hidden: int = 256
    cue_dropout: float = 0.2
    relation_heads: int = 4
    relation_kinds: int = 16


DEFAULTS: Final = DetectorSettings()
