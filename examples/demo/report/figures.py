"""Small drawings: an interval on a scale, a bar, the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence

from examples.demo.metrics import Bin, Share
from examples.demo.report.markup import Html, tag
from examples.demo.report.wording import decimal, percent
from fovea.client import Box

_SIDE = 200
_MARGIN = 40


def scale(found: Share, *, baseline: Share | None, chance: float) -> Html:
    """Return a share as a dot with its interval, on a line from 0 to 100 %, beside baseline and chance."""
    if not found.count:
        return tag("span", class_="scale", aria_hidden="true")
    low, high = found.interval
    marks = [
        tag("i", class_="chance", style=f"left:{100 * chance:.2f}%"),
        tag("i", class_="reach", style=f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"),
        tag("i", class_="baseline", style=f"left:{100 * baseline.value:.2f}%") if baseline else None,
        tag("i", class_="dot", style=f"left:{100 * found.value:.2f}%"),
    ]
    return tag("span", marks, class_="scale", aria_hidden="true")


def bar(value: float) -> Html:
    """Return a bar that is as long as the value says, in [0, 1]."""
    inner = tag("i", style=f"width:{100 * min(max(value, 0.0), 1.0):.1f}%")
    return tag("span", inner, class_="bar", aria_hidden="true")


def place(box: Box, width_px: int, height_px: int) -> str:
    """Return the style that lays an element over a box of a picture of this size."""
    left, top = 100 * box.left / width_px, 100 * box.top / height_px
    width, height = 100 * (box.right - box.left) / width_px, 100 * (box.bottom - box.top) / height_px
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{width:.2f}%;height:{height:.2f}%"


def reliability_diagram(bins: Sequence[Bin], title: str) -> Html:
    """Return what was stated (to the right) beside what came true (up), with intervals."""
    size = _SIDE + 2 * _MARGIN
    drawn = [_axes(), *(_bin(one) for one in bins)]
    words = "; ".join(
        f"stated {percent(one.stated)}, right {percent(one.right.value)} of {one.right.count}" for one in bins
    )
    return tag(
        "svg",
        drawn,
        class_="diagram",
        viewBox=f"0 0 {size} {size}",
        role="img",
        aria_label=f"{title}: {words}",
    )


def _bin(one: Bin) -> Html:
    x = _right(one.stated)
    low, high = one.right.interval
    label = f"stated {decimal(one.stated)}, right {decimal(one.right.value)}, n = {one.right.count}"
    return tag(
        "g",
        tag("title", label),
        tag("line", class_="whisker", x1=x, x2=x, y1=_up(low), y2=_up(high)),
        tag("circle", class_="point", cx=x, cy=_up(one.right.value), r="5"),
    )


def _axes() -> Html:
    ticks = [_tick(value) for value in (0.0, 0.5, 1.0)]
    frame = tag("rect", class_="frame", x=_right(0), y=_up(1), width=str(_SIDE), height=str(_SIDE))
    diagonal = tag("line", class_="ideal", x1=_right(0), y1=_up(0), x2=_right(1), y2=_up(1))
    return tag("g", frame, diagonal, ticks)


def _tick(value: float) -> Html:
    below = tag("text", percent(value), x=_right(value), y=f"{_SIDE + _MARGIN + 16}", text_anchor="middle")
    beside = tag(
        "text",
        percent(value),
        x=f"{_MARGIN - 5}",
        y=f"{_MARGIN + (1 - value) * _SIDE + 4:.1f}",
        text_anchor="end",
    )
    return tag("g", below, beside if value else None)


def _right(value: float) -> str:
    return f"{_MARGIN + value * _SIDE:.1f}"


def _up(value: float) -> str:
    return f"{_MARGIN + (1 - value) * _SIDE:.1f}"
