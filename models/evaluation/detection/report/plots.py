"""The plots of what the detector finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes

from models.evaluation.detection.figures import Rejection
from models.evaluation.detection.suite import Curve, Results
from models.evaluation.report.plots import COLOURS, figure

_FEW: Final = 20
"""Fewer detections in a bin say nothing about it."""


def finding(results: Results, place: Path) -> None:
    """Draw precision over recall, and the share that is right over the score."""
    with figure(place, (9.0, 4.6)) as drawn:
        left, right = drawn.subplots(1, 2)
        _curves(left, results.curves)
        _reliability(right, results.curves, results.rejections)
        handles, labels = left.get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)


def _curves(axes: Axes, curves: Sequence[Curve]) -> None:
    for number, each in enumerate(curves):
        axes.plot(100 * each.recall, 100 * each.precision, color=COLOURS[1 + number], label=each.title)
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="recall, %", ylabel="precision, %")
    axes.set_title("boxes at IoU 0.5, all prompts in one list", fontsize=10)


def _reliability(axes: Axes, curves: Sequence[Curve], rejections: Sequence[Rejection]) -> None:
    """Draw the first kind of prompts of each set that has a curve beside."""
    axes.plot([0, 1], [0, 100], color=COLOURS[0], linewidth=1)
    first = {each.title: each for each in reversed(rejections)}
    for number, title in enumerate(each.title for each in curves):
        each = first[title]
        shown = [part for part in each.bins if part.count >= _FEW]
        scores, shares = [part.score for part in shown], [100 * part.right for part in shown]
        axes.plot(scores, shares, marker="o", markersize=4, color=COLOURS[1 + number])
    axes.set(xlim=(0, 1), ylim=(0, 100), xlabel="score", ylabel="of these right, %")
    axes.set_title("how far scores can be believed", fontsize=10)
