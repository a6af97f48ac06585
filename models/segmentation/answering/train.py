"""Teaches the last layer to tell what was found by names and phrases, while all before it stays as it is.

What a trained detector finds in a lesson is found once: where, what its decoder made of each box, what is
seen there, how phrases were fused. A step on these costs a tenth of one through the whole detector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from models.segmentation.alignment.network import score
from models.segmentation.assignment.losses import NONE, assign, iou
from models.segmentation.data import Vocabulary, batch
from models.segmentation.lessons import Lesson
from models.segmentation.losses import Weights, answering
from models.segmentation.network import Detector, Layer, Maps
from models.segmentation.recipe import AnsweringSettings

_KEPT: Final = 24
"""Of a lesson's queries: those that show something, then those that are taken most for what is asked."""
_SHOWING: Final = 14


@dataclass(frozen=True, eq=False)
class Seen:
    """What was found in a lesson.

    Attributes:
        lesson: Without its maps.
        boxes: Of the queries that are kept.
        read: What the decoder made of each.
        looks: What the region reader sees in each.
        texts: The lesson's phrases as they were fused; none for names.
    """

    lesson: Lesson
    boxes: Tensor  # (q, 4)
    read: Tensor  # (q, width)
    looks: tuple[Tensor, Tensor, Tensor]
    texts: Tensor  # (s, 640)


def see(detector: Detector, lesson: Lesson, vocabulary: Vocabulary) -> Seen:
    """Return what a detector finds in a lesson, at half precision."""
    device = next(detector.parameters()).device
    levels = tuple(torch.from_numpy(level.astype(np.float32))[None].to(device) for level in lesson.maps)
    plain = replace(lesson, maps=())
    given = batch([plain], vocabulary, np.random.default_rng(0)).to(device)
    with torch.inference_mode():
        found = detector.find(Maps(levels), given.sentences)
        last = found.layers[-1]
        texts = found.texts[:, : given.phrases[0]] if given.phrases[0] else given.names[None]
        kept = _kept(last, given.targets[0].boxes, score(last.queries, last.offsets, texts)[0])
        boxes = last.boxes[:, kept]
        looks = detector.look(Maps(levels), boxes)
    return Seen(
        plain,
        boxes[0].cpu().clone(),
        found.read[0, kept].half().cpu().clone(),
        (looks[0][0].half().cpu().clone(), looks[1][0].half().cpu().clone(), looks[2][0].cpu().clone()),
        found.texts[0, : given.phrases[0]].half().cpu().clone(),
    )


def learn_answers(
    detector: Detector,
    seen: Sequence[Seen],
    vocabulary: Vocabulary,
    settings: AnsweringSettings,
    report: Callable[[int, float], None],
) -> None:
    """Train what turns a found box into a vector; nothing else of the detector changes."""
    learning = [
        *detector.reader.parameters(),
        *detector.widen.parameters(),
        *detector.alignments[-1].parameters(),
    ]
    optimiser = torch.optim.AdamW(learning, lr=settings.rate, weight_decay=settings.decay)
    weights = Weights(teacher=settings.teaching)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * _share(step, settings)
        rng = np.random.default_rng((settings.seed, step))
        chosen = [seen[int(number)] for number in rng.integers(len(seen), size=settings.batch)]
        terms = _terms(detector, chosen, vocabulary, rng, weights)
        loss = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learning, settings.clip)
        optimiser.step()
        report(step, float(loss.detach()))


def _terms(
    detector: Detector,
    chosen: Sequence[Seen],
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    weights: Weights,
) -> dict[str, Tensor]:
    device = next(detector.parameters()).device
    given = batch([each.lesson for each in chosen], vocabulary, rng).to(device)
    looks = (
        torch.stack([each.looks[part] for each in chosen]).to(device, torch.float32) for part in range(3)
    )
    read = torch.stack([each.read for each in chosen]).to(device, torch.float32)
    queries, offsets = detector.alignments[-1](detector.widen(read) + detector.reader.think(*looks))
    layer = Layer(torch.stack([each.boxes for each in chosen]).to(device), queries, offsets)
    columns = given.targets[0].answers.shape[1]
    rows = [
        each.texts.to(device, torch.float32) if count else given.names
        for each, count in zip(chosen, given.phrases, strict=True)
    ]
    texts = torch.stack([nn.functional.pad(row, (0, 0, 0, columns - len(row))) for row in rows])
    return answering(layer, given.targets, texts, weights)


def _kept(layer: Layer, truths: Tensor, logits: Tensor) -> Tensor:
    """Return the queries that show something, best first, then those that score highest."""
    things = torch.cat([truths, truths.new_zeros(1, 4)])[None]
    overlap = iou(things, layer.boxes)
    shown = assign(overlap, least=Weights().decoder_least, most=Weights().most).truth[0] != NONE
    order = torch.where(shown, 1.0 + overlap[0].amax(0), torch.zeros_like(overlap[0, 0]))
    first = order.topk(_SHOWING).indices
    rest = torch.where(shown, -math.inf, logits.amax(1))
    rest[first] = -math.inf
    return torch.cat([first, rest.topk(_KEPT - _SHOWING).indices])


def _share(step: int, settings: AnsweringSettings) -> float:
    rise = min(1.0, (step + 1) / settings.warm_up_steps)
    return rise * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
