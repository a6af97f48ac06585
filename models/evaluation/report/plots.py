"""The plots of docs/quality.md, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from models.evaluation.protocols.artists import NAME, PICTURE, Asked
from models.evaluation.protocols.shots import FewShot
from models.evaluation.report.markdown import together
from models.evaluation.report.tables import chosen, group_share, subjects_of

_STYLE: Final = Path(__file__).with_name("plots.mplstyle")
COLOURS: Final = ("#9e9e9e", "#e69f00", "#56b4e9", "#0b6e4f", "#cc79a7")
"""Told apart by colour-blind readers as well (Okabe and Ito), the trained encoder in the strongest."""
_DEPTHS: Final = np.unique(np.round(np.geomspace(1, 100, 30)).astype(int))


def recall(across: Sequence[Asked], place: Path) -> None:
    """Draw how often the truth is among the first k candidates."""
    with figure(place, (7.6, 5.2)) as drawn:
        axes = drawn.subplots()
        for by, line in ((PICTURE, "-"), (NAME, "--")):
            for subject in subjects_of(across, by):
                asked = chosen(across, subject, by)
                values = [100 * together(each.top(int(k)) for each in asked).value for k in _DEPTHS]
                axes.plot(_DEPTHS, values, line, color=_colour(across, subject), label=f"{subject}, by {by}")
        axes.set(xscale="log", ylim=(0, 100), xlabel="candidates", ylabel="truth among them, %")
        axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        _legend(drawn)


def shots(found: Sequence[FewShot], place: Path) -> None:
    """Draw top-1 over the number of shots, with the interval over the draws."""
    subjects = list(dict.fromkeys(each.subject for each in found))
    with figure(place, (6.4, 4.4)) as drawn:
        axes = drawn.subplots()
        for number, subject in enumerate(subjects):
            own = [each for each in found if each.subject == subject]
            values, halves = (
                [100 * value for value in column] for column in zip(*map(_top, own), strict=True)
            )
            counts = [each.shots for each in own]
            axes.errorbar(counts, values, halves, color=COLOURS[number], marker="o", capsize=3, label=subject)
        counts = sorted({each.shots for each in found})
        axes.set(xlabel="pictures a class", ylabel="right, %", ylim=(0, 100), xscale="log")
        axes.minorticks_off()
        axes.set_xticks(counts, [str(count) for count in counts])
        _legend(drawn)


def groups(across: Sequence[Asked], place: Path) -> None:
    """Draw top-1 by picture for each group, the easiest for the last subject at the top."""
    subjects = subjects_of(across, PICTURE)
    rows = next(each for each in across if each.by == PICTURE).rows
    names = sorted(
        {row["group"] for row in rows},
        key=lambda name: group_share(across, subjects[-1], "group", name).value,
    )
    height = 0.8 / len(subjects)
    with figure(place, (6.8, 5.6)) as drawn:
        axes = drawn.subplots()
        for number, subject in enumerate(subjects):
            values = [100 * group_share(across, subject, "group", name).value for name in names]
            places = np.arange(len(names)) + 0.4 - (number + 0.5) * height
            axes.barh(places, values, height, color=COLOURS[number], label=subject)
        axes.set_yticks(np.arange(len(names)), names)
        axes.set(xlabel="right, %", xlim=(0, 100))
        axes.grid(visible=False, axis="y")
        _legend(drawn)


def _legend(figure: Figure) -> None:
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)


def _top(each: FewShot) -> tuple[float, float]:
    return each.top.value, each.top.half


def _colour(across: Sequence[Asked], subject: str) -> str:
    return COLOURS[subjects_of(across, PICTURE).index(subject)]


@contextmanager
def figure(place: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Give a figure in the style of these pages, and write it where it belongs: vectors or pixels."""
    with mpl.rc_context(fname=_STYLE):
        drawn = Figure(figsize=size, layout="constrained")
        yield drawn
        place.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(place, metadata={"Date": None} if place.suffix == ".svg" else None, dpi=110)
