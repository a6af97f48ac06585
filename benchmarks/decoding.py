"""What a whole photograph costs to decode and prepare: reduced while it is decoded, beside in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.measure import Side, in_turn
from benchmarks.pictures import new_pictures
from benchmarks.table import milliseconds, table
from models.vision.images import ImageLimits, decode
from models.vision.preparation import DEFAULTS, prepare
from services.encoding.domain import least_px
from services.kernel.limits import LIMITS

_SIDES_PX = (800, 1_000, 1_600, 3_500)
_GOALS = {1_000: "<= 8 ms"}
_PICTURES = 3
_LIMITS = ImageLimits(LIMITS.image_bytes, LIMITS.image_pixels, LIMITS.image_side_px)


@dataclass(frozen=True)
class Row:
    """Costs per picture of one size."""

    side_px: int
    full: Side
    reduced: Side


def measure() -> list[Row]:
    """Run both sides in turn, for each size."""
    return [_measure(side_px) for side_px in _SIDES_PX]


def report(rows: Sequence[Row]) -> str:
    """Return the result as a table."""
    head = ("JPEG", "in full ms", "reduced ms", "goal", "over full", "spread")
    lines = [
        (
            f"{row.side_px:,} x {row.side_px:,}",
            milliseconds(row.full.cpu_s),
            milliseconds(row.reduced.cpu_s),
            _GOALS.get(row.side_px, ""),
            f"{row.reduced.cpu_s / row.full.cpu_s:.2f}",
            f"{100 * row.reduced.spread:.0f} %",
        )
        for row in rows
    ]
    return f"decode and prepare the whole picture, processor time\n{table(head, lines)}"


def _measure(side_px: int) -> Row:
    sides = in_turn(
        {"full": _preparing(None), "reduced": _preparing(least_px(DEFAULTS))},
        new_pictures(_PICTURES, side_px=side_px),
    )
    return Row(side_px, sides["full"], sides["reduced"])


def _preparing(least_px: int | None) -> Callable[[Sequence[bytes]], None]:
    def prepare_all(pictures: Sequence[bytes]) -> None:
        for data in pictures:
            prepare(decode(data, limits=_LIMITS, least_px=least_px))

    return prepare_all


if __name__ == "__main__":
    print(report(measure()))
