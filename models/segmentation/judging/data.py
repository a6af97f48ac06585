"""What a detector finds in lessons, each asked all its prompts in the way that their kind is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from models.segmentation.alignment.network import score
from models.segmentation.calibration import Asked
from models.segmentation.data import PHRASES, read_levels
from models.segmentation.lessons import Lesson
from models.segmentation.masking.network import mask_logits
from models.segmentation.measures.losses import around
from models.segmentation.network import Detector, Found, Maps
from models.segmentation.pixels import REACH

_COVERED = 128


def judged(detector: Detector, lessons: Sequence[Lesson], texts: Mapping[str, np.ndarray]) -> list[Asked]:
    """Return what is found in each lesson; the detector is left in the mode that it is in.

    Args:
        detector: What is asked.
        lessons: Each with prompts that are all names, or all phrases and sentences.
        texts: Their vectors.
    """
    mode = detector.training
    detector.eval()
    with torch.inference_mode():
        found = [_asked(detector, each, texts) for each in lessons]
    detector.train(mode)
    return found


def _asked(detector: Detector, each: Lesson, texts: Mapping[str, np.ndarray]) -> Asked:
    device = next(detector.parameters()).device
    asked = torch.from_numpy(np.stack([texts[prompt.text] for prompt in each.prompts]))[None].to(device)
    phrased = any(prompt.kind in PHRASES for prompt in each.prompts)
    found = detector.find(
        Maps(read_levels(each, device)), asked if phrased else torch.zeros_like(asked[:, :1])
    )
    last = found.layers[-1]
    logits = score(last.queries, last.offsets, found.texts if phrased else asked) + found.relations
    return Asked(
        kinds=tuple(prompt.kind for prompt in each.prompts),
        boxes=last.boxes[0].cpu().numpy(),
        logits=logits[0].cpu().numpy(),
        truth=each.boxes,
        answers=each.truth,
        overlaps=mask_overlaps(found, each).numpy(),
        crowds=each.crowds,
        crowd_answers=each.crowd_truth,
    )


def mask_overlaps(found: Found, each: Lesson) -> Float[Tensor, "q things"]:
    """Return the intersection over union of each region's mask, as it is drawn, with that of each thing.

    Args:
        found: In this lesson alone.
        each: The lesson.
    """
    masks = mask_logits(found.mask_queries, found.mask_features)[0] > 0
    masks &= around(found.layers[-1].boxes[0], masks.shape[-1], reach=REACH)
    drawn = masks.cpu().flatten(1).float()
    wished = torch.from_numpy(each.masks >= _COVERED).flatten(1).float()
    common = drawn @ wished.T
    return common / (drawn.sum(1)[:, None] + wished.sum(1) - common).clamp(min=1)
