"""Trains what reads the trunk's maps, on lessons that the trunk has read already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from models.segmentation.bank.network import Bank
from models.segmentation.data import BANK, Batch, Vocabulary, batch
from models.segmentation.lessons import Lesson
from models.segmentation.losses import Weights, criterion
from models.segmentation.network import Detector, Found, Maps
from models.segmentation.recipe import TrainingSettings
from models.segmentation.sampling import drawn
from models.vision.local_encoder.run import Run

Lessons = Callable[[str, int], Lesson]
"""Takes the name of a data set and the number of a scene in it."""
Report = Callable[[int, Mapping[str, float]], None]
"""Takes the step and the terms of its loss."""
_SETTLED: Final = 8
"""Lessons at a time."""


class Pupil(nn.Module):
    """A detector and what it remembers while it learns.

    Args:
        detector: Whose trunk stays as it is.
        data_sets: Each has a bank of its own.
    """

    def __init__(self, detector: Detector, data_sets: Sequence[str]) -> None:
        super().__init__()
        self.detector = detector
        self.bank = Bank(data_sets)
        self._data_sets = tuple(data_sets)

    def get_extra_state(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return what the bank holds, so that a run that goes on goes on as before."""
        return {name: self.bank.held(name) for name in self._data_sets}

    def set_extra_state(self, state: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        """Fill the bank."""
        for name, (vectors, subjects) in state.items():
            self.bank.remember(name, vectors, subjects)


def learn(  # noqa: PLR0913  (a run is all of this)
    pupil: Pupil,
    lessons: Lessons,
    vocabulary: Vocabulary,
    settings: TrainingSettings,
    *,
    checkpoint: Path,
    report: Report,
) -> None:
    """Train from this or the checkpoint's step on.

    Args:
        pupil: Whose detector's norms are settled.
        lessons: Where they are.
        vocabulary: Of all of them.
        settings: How.
        checkpoint: Where the run is kept.
        report: Called after each step.
    """
    order = drawn(dict(settings.mixture), settings.steps * settings.batch, seed=settings.seed)
    device = next(pupil.parameters()).device
    detector = pupil.detector

    def taken(step: int) -> Batch:
        rng = np.random.default_rng((settings.seed, step))
        numbers = order[step * settings.batch : (step + 1) * settings.batch]
        return batch([lessons(*each) for each in numbers], vocabulary, rng).to(device)

    optimiser = torch.optim.AdamW(_groups(detector, settings), lr=settings.rate)
    run = Run(optimiser, pupil, checkpoint, settings.steps, settings, clip=settings.clip)
    weights = Weights(words=settings.words, teacher=settings.teaching)
    for step in run.steps():
        pupil.train()
        standards(detector).eval()
        torch.manual_seed(settings.seed + step)  # of the samples that losses draw
        given = with_bank(pupil.bank, taken(step))
        found = detector.find(Maps(given.levels), given.sentences)
        terms = criterion(found, given.targets, asked(given, found), weights)
        run.descend(torch.stack(list(terms.values())).sum())
        report(step, {name: float(term.detach()) for name, term in terms.items()})


def with_bank(bank: Bank, given: Batch) -> Batch:
    """Return a batch with phrases of earlier pictures behind each picture's own, known to be absent.

    The picture is read with them, too: who was not would be told from a phrase that was by that alone. The
    bank remembers the batch's own phrases.
    """
    rows, counts, targets = [], [], []
    for row, (target, count) in enumerate(zip(given.targets, given.phrases, strict=True)):
        own = given.sentences[row, :count]
        if count:
            subjects = torch.tensor(given.subjects[row], device=own.device)
            others = bank.negatives(given.data_sets[row], own, subjects)
            rows.append(torch.cat([own, others[torch.randperm(len(others))[:BANK]]]))
            targets.append(replace(target, verified=_marked(target.verified, count, len(rows[-1]))))
        else:
            rows.append(given.sentences[row, :1])  # the token that stands for names
            targets.append(target)
        counts.append(count and len(rows[-1]))
    for row, count in enumerate(given.phrases):
        about = torch.tensor(given.about[row], device=given.sentences.device, dtype=torch.int64)
        if count:
            bank.remember(given.data_sets[row], given.sentences[row, :count][about >= 0], about[about >= 0])
    sentences = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return replace(given, sentences=sentences, phrases=tuple(counts), targets=tuple(targets))


def asked(given: Batch, found: Found) -> Tensor:
    """Return what each picture is asked (b, t, 640): names, or phrases as they were fused with it."""
    columns = given.targets[0].answers.shape[1]
    rows = [found.texts[row, :count] if count else given.names for row, count in enumerate(given.phrases)]
    return torch.stack([nn.functional.pad(texts, (0, 0, 0, columns - len(texts))) for texts in rows])


def settle(detector: Detector, lessons: Sequence[Lesson]) -> None:
    """Measure mean and spread of the trunk's maps, which never change afterwards."""
    norms = standards(detector)
    device = next(detector.parameters()).device
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all
    norms.train()
    with torch.no_grad():
        for start in range(0, len(lessons), _SETTLED):
            several = zip(*(each.maps for each in lessons[start : start + _SETTLED]), strict=True)
            levels = [torch.from_numpy(np.stack(maps)).to(device, torch.float32) for maps in several]
            nothing = torch.zeros(len(levels[0]), 1, detector.settings.texts, device=device)
            detector.find(Maps(tuple(levels)), nothing)
    norms.eval()


def standards(detector: Detector) -> nn.ModuleList:
    """Return what brings the trunk's maps to one scale."""
    return nn.ModuleList([*detector.norms, detector.deep_norm])


def _groups(detector: Detector, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Return what learns: matrices are kept small, all else is not."""
    learning = [weight for weight in detector.parameters() if weight.requires_grad]
    return [
        {"params": [each for each in learning if each.dim() > 1], "weight_decay": settings.decay},
        {"params": [each for each in learning if each.dim() <= 1], "weight_decay": 0.0},
    ]


def _marked(verified: Tensor | None, start: int, end: int) -> Tensor:
    assert verified is not None  # noqa: S101  (`batch` always says what is known)
    known = verified.clone()
    known[start:end] = True
    return known
