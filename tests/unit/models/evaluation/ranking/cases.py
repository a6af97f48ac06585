"""Hand-made questions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.data.manifest import Manifest, Row
from models.evaluation.ranking.questions import Picture, Question


def picture(name: str, label: str = "owl") -> Picture:
    row = Row(name, f"{name}.png", label, "test", "CC0", f"digest of {name}")
    return Picture(Manifest("cases", Path("nowhere"), (row,)), row)


def question(shares: list[float], truth: int, *, name: str = "asked", group: str = "birds") -> Question:
    labels = tuple("abcdefghij"[: len(shares)])
    ordered = sorted(shares, reverse=True)
    return Question(
        picture=picture(name),
        labels=labels,
        shares=np.array(shares),
        unknown=0.1,
        margin=ordered[0] - ordered[1],
        exemplars=tuple((picture(f"{label} of {name}"),) for label in labels),
        truth=truth,
        group=group,
    )
