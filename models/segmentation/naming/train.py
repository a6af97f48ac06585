"""Teaches the region reader names from the true boxes of lessons.

Who knows where a thing stands need not look for it: a step of this costs a hundredth of a detector's, and
shows as many things as a dozen of those. What was read here is where the detector's own training starts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.segmentation.alignment.network import score
from models.segmentation.data import Vocabulary, read_levels
from models.segmentation.knowledge import DIMENSIONS
from models.segmentation.lessons import Lesson
from models.segmentation.measures.losses import direction, focal
from models.segmentation.network import Detector, Maps
from models.segmentation.recipe import NamingSettings
from models.segmentation.samples import PromptKind
from models.vision.local_encoder.run import share

_JITTER: Final = 0.05
_NOBODY: Final = -1
_NO_TEACHER: Final = np.zeros(DIMENSIONS, np.float32)


@dataclass(frozen=True, eq=False)
class Views:
    """What is seen of things, at half precision, and what each is.

    Attributes:
        read: At the points of its box.
        mean: Over its box.
        geometry: Of its box.
        teachers: Where the encoder of pictures points for its drawing; zeros: it has none, as stuff.
        labels: Number of what it is among those that have names; -1: it has none.
    """

    read: Tensor  # (n, points, channels)
    mean: Tensor  # (n, deep)
    geometry: Tensor  # (n, 6)
    teachers: Tensor  # (n, 640)
    labels: Tensor  # (n,)


def learn_names(
    detector: Detector,
    views: Views,
    names: Tensor,
    settings: NamingSettings,
    report: Callable[[int, float], None],
) -> None:
    """Train the region reader and the last alignment head; nothing else of the detector changes.

    What the decoder adds to the reader is set to nothing: it is learned afterwards.

    Args:
        detector: Whose norms are settled.
        views: From its own trunk.
        names: Vectors of two names for each label, (2, labels, 640); mostly the first is asked.
        settings: How.
        report: Takes the step and its loss.
    """
    nn.init.zeros_(detector.widen.weight)
    nn.init.zeros_(detector.widen.bias)
    head = detector.alignments[-1]
    learning = [*detector.reader.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(learning, lr=settings.rate, weight_decay=settings.decay)
    device = names.device
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * share(step, settings.steps, warm_up_steps=settings.warm_up_steps)
        rng = torch.Generator().manual_seed(settings.seed + step)
        chosen = torch.randint(len(views.labels), (settings.batch,), generator=rng)
        seen = (
            each[chosen].to(device, torch.float32)[None] for each in (views.read, views.mean, views.geometry)
        )
        queries, offsets = head(detector.reader.think(*seen))
        second = torch.rand(names.shape[1], 1, generator=rng).to(device) < settings.second
        logits = score(queries, offsets, torch.where(second, names[1], names[0])[None])[0]
        loss = _words(logits, views.labels[chosen].to(device)) + _taught(
            queries[0], views.teachers[chosen].to(device)
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learning, settings.clip)
        optimiser.step()
        report(step, float(loss.detach()))


def views(
    detector: Detector, lessons: Sequence[Lesson], vocabulary: Vocabulary, *, seed: int
) -> tuple[Views, Tensor]:
    """Return what is seen of all that has a name or a known drawing, in boxes that are a little off.

    Returns:
        The views, and two names for each label, as `learn_names` takes them.
    """
    called = _called(lessons)
    numbers = {label: number for number, label in enumerate(sorted(called))}
    parts: list[tuple[Tensor, ...]] = []
    for number, each in enumerate(lessons):
        rng = np.random.default_rng((seed, number))
        things = [
            row
            for row, (label, cutout) in enumerate(zip(each.labels, each.cutouts, strict=True))
            if label in numbers or cutout in vocabulary.cutouts
        ]
        if things:
            boxes = torch.from_numpy(_off(each.boxes[things], rng))[None]
            levels = read_levels(each, boxes.device)
            seen = (part[0].half() for part in detector.look(Maps(levels), boxes))
            teachers = torch.from_numpy(
                np.stack([vocabulary.cutouts.get(str(each.cutouts[row]), _NO_TEACHER) for row in things])
            )
            labels = torch.tensor([numbers.get(each.labels[row], _NOBODY) for row in things])
            parts.append((*seen, teachers, labels))
    first, second = zip(*(called[label] for label in sorted(called)), strict=True)
    names = np.array([[vocabulary.texts[text] for text in texts] for texts in (first, second)])
    return Views(*(torch.cat(part) for part in zip(*parts, strict=True))), torch.from_numpy(names)


def _words(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the focal loss of all names, of the things that have one."""
    named = labels != _NOBODY
    truth = functional.one_hot(labels[named], logits.shape[1]).to(logits.dtype)
    return focal(logits[named], truth).sum() / named.sum().clamp(min=1)


def _taught(queries: Tensor, teachers: Tensor) -> Tensor:
    """Return how far from their teachers those point that have one."""
    has = teachers.any(-1)
    return direction(queries[has], teachers[has]).sum() / has.sum().clamp(min=1)


def _called(lessons: Sequence[Lesson]) -> dict[str, tuple[str, str]]:
    """Return the name that each label mostly has, and another if it has one."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for label, text in chain.from_iterable(_pairs(each) for each in lessons):
        counts[label][text] += 1
    found = {}
    for label, texts in counts.items():
        ordered = sorted(texts, key=lambda text: (-texts[text], text))
        found[label] = (ordered[0], ordered[min(1, len(ordered) - 1)])
    return found


def _pairs(each: Lesson) -> Iterator[tuple[str, str]]:
    for label, answers in zip(each.labels, each.answers, strict=True):
        for prompt in (each.prompts[index] for index in sorted(answers)):
            if prompt.kind is PromptKind.NAME:
                yield label, prompt.text


def _off(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sizes = boxes[:, 2:] - boxes[:, :2]
    moved = boxes + rng.normal(0, _JITTER, boxes.shape) * np.tile(sizes, 2)
    return moved.clip(0, 1).astype(np.float32)
