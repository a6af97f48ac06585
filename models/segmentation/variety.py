"""Training samples seen otherwise: in a mirror, and in part."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.segmentation.crops import cropped
from models.segmentation.flips import mirrored
from models.segmentation.samples import Sample
from models.vision.boxes import Box

MIRRORED: Final = 0.5
CROPPED: Final = 0.3
_LEAST_SIDE: Final = 0.4


def varied(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return a sample, at times mirrored, at times only a part of it where its prompts allow that."""
    if rng.random() < MIRRORED:
        sample = mirrored(sample)
    if rng.random() < CROPPED:
        return cropped(sample, _part(sample, rng)) or sample
    return sample


def _part(sample: Sample, rng: np.random.Generator) -> Box:
    height_px, width_px = sample.image.shape[:2]
    across, down = rng.uniform(_LEAST_SIDE, 1, 2)
    part_width_px, part_height_px = max(1, int(across * width_px)), max(1, int(down * height_px))
    left = int(rng.integers(width_px - part_width_px + 1))
    top = int(rng.integers(height_px - part_height_px + 1))
    return Box(left, top, left + part_width_px, top + part_height_px)
