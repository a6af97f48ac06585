"""Teaches the refiner where things end, from boxes that are a little off and from what is proposed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from models.segmentation.assignment.losses import iou
from models.segmentation.lessons import Lesson
from models.segmentation.measures.losses import giou
from models.segmentation.network import Detector, Maps
from models.segmentation.proposals.network import corners, middles
from models.segmentation.refining.network import wished
from models.vision.local_encoder.run import share


@dataclass(frozen=True)
class RefiningSettings:
    """How the refiner is taught.

    Attributes:
        steps: Of the whole.
        batch: Pictures a step.
        boxes: Drawn around the things of a picture.
        proposed: Proposals of a picture that are shown as well, the best ones.
        along: Standard deviation of how far boxes are off, in their sides; at most, for it differs.
        growth: The same of the logarithm of their sides.
        least: Overlap from which on a box is moved to a thing.
        rate: Learning rate of AdamW.
        decay: Its weight decay.
        clip: Longest gradient.
        warm_up_steps: In which the rate rises; then it falls, half a cosine, to the end.
        seed: Of what is drawn.
    """

    steps: int = 1500
    batch: int = 4
    boxes: int = 48
    proposed: int = 48
    along: float = 0.24
    growth: float = 0.4
    least: float = 0.3
    rate: float = 1e-3
    decay: float = 0.05
    clip: float = 1.0
    warm_up_steps: int = 50
    seed: int = 0


def learn_boxes(
    detector: Detector,
    lessons: Callable[[int], Lesson],
    count: int,
    settings: RefiningSettings,
    report: Callable[[int, float], None],
) -> None:
    """Train the refiner; nothing else of the detector changes.

    Args:
        detector: Whose norms are settled and whose proposals are worth something.
        lessons: In which everything is boxed.
        count: How many there are.
        settings: How.
        report: Takes the step and its loss.
    """
    detector.eval()
    learning = list(detector.refiner.parameters())
    optimiser = torch.optim.AdamW(learning, lr=settings.rate, weight_decay=settings.decay)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * share(step, settings.steps, warm_up_steps=settings.warm_up_steps)
        rng = np.random.default_rng((settings.seed, step))
        torch.manual_seed(settings.seed + step)
        shown = [lessons(int(number)) for number in rng.integers(count, size=settings.batch)]
        several = [_loss(detector, each, settings) for each in shown if len(each.boxes)]
        if several:
            loss = torch.stack(several).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learning, settings.clip)
            optimiser.step()
            report(step, float(loss.detach()))


def _loss(detector: Detector, lesson: Lesson, settings: RefiningSettings) -> Tensor:
    """Return how far boxes are off after one move, and how wrongly their overlap is foretold."""
    device = next(detector.parameters()).device
    maps = Maps(tuple(torch.from_numpy(level).to(device, torch.float32)[None] for level in lesson.maps))
    truths = torch.from_numpy(lesson.boxes).to(device)[None]
    with torch.no_grad():
        levels = detector.standardised(maps)[:3]
        proposals = detector.propose(maps, truths.new_zeros(1, 1, detector.settings.texts))
        best = detector.proposer.choose(proposals)[0, : settings.proposed]
        proposed = proposals.boxes[:, best]
    boxes = torch.cat([_off(truths, settings), proposed], 1)
    overlap, thing = iou(truths, boxes).max(1)  # (1, n)
    nearest = truths[0, thing[0]][None]
    found, fits = detector.refiner.move(boxes, levels)
    counted = overlap >= settings.least
    near = found[counted], nearest[counted], boxes[counted]
    after = iou(truths, found.detach()).amax(1)
    moves = functional.smooth_l1_loss(
        wished(near[2][None], near[0][None]), wished(near[2][None], near[1][None]), beta=0.1
    )
    return (
        2 * (1 - giou(near[0], near[1])).mean()
        + 2 * moves
        + functional.binary_cross_entropy_with_logits(fits, after)
    )


def _off(truths: Float[Tensor, "1 m 4"], settings: RefiningSettings) -> Float[Tensor, "1 n 4"]:
    """Return boxes around the truths, some a little off and some much."""
    repeated = truths.repeat(1, max(1, settings.boxes // truths.shape[1]), 1)
    middle, size = middles(repeated).chunk(2, dim=-1)
    much = torch.rand_like(size[..., :1])
    middle = middle + settings.along * much * size * torch.randn_like(size)
    return corners(torch.cat([middle, size * torch.exp(settings.growth * much * torch.randn_like(size))], -1))
