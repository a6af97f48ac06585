"""Few-shot recognition: one, two or four pictures of a class known, another picture of it asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.data.manifest import Manifest
from models.evaluation.metrics import Mean, best_of_groups, mean, ranks, top
from models.evaluation.sampling import few_shot
from models.evaluation.subjects import Subject

SHOTS: Final = (1, 2, 4)
SEEDS: Final = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class FewShot:
    """Top-1 of one subject with so many pictures a class known: mean over the draws."""

    subject: str
    shots: int
    classes: int
    top: Mean


def ask(
    pictures: Manifest, subject: Subject, *, queries: int = 1, shots: Sequence[int] = SHOTS
) -> list[FewShot]:
    """Draw for each seed what is known and what is asked of each class, and ask.

    The same pictures are asked whatever the number of shots, and more shots only add to fewer.

    Args:
        pictures: Classes with fewer than the most shots and the queries are left out.
        subject: Who answers.
        queries: Pictures asked of each class and seed.
        shots: How many pictures of each class are known.
    """
    wanted = max(shots) + queries
    counts = Counter(row.label for row in pictures.rows)
    enough = pictures.where(lambda row: counts[row.label] >= wanted)
    seen = subject.see(enough).visual
    labels = [row.label for row in enough.rows]
    right: dict[int, list[float]] = {count: [] for count in shots}
    for seed in SEEDS:
        drawn = few_shot(labels, shots=wanted, seed=seed)  # (class, wanted)
        asked, truth = drawn[:, -queries:].ravel(), np.repeat(np.arange(len(drawn)), queries)
        for count in shots:
            known, group = drawn[:, :count].ravel(), np.repeat(np.arange(len(drawn)), count)
            score = best_of_groups(seen[asked] @ seen[known].T, group)
            right[count].append(top(ranks(score, truth), 1).value)
    classes = len(set(labels))
    return [FewShot(subject.title, count, classes, mean(right[count])) for count in shots]
