"""How fast 2,000 pictures are taught, beside the rate of a bare loop that only encodes them.

The loop has one thread, as one copy of the services' encoder has; Fovea encodes on every processor, and makes
each exemplar durable before it says so. So both rates are said: by the clock, and per second of processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from benchmarks.bare import BareLoop
from benchmarks.measure import ROUNDS, Side, in_turn
from benchmarks.pictures import new_pictures
from benchmarks.table import milliseconds, table
from examples.serving import serving
from fovea import Client, Lesson

_ITEMS = 400
_SIDE_PX = 256
_QUALITY = 85


def measure() -> dict[str, Side]:
    """Run both sides in turn."""
    loop = BareLoop()
    numbers = count()
    with serving() as server, Client(server.target) as client:

        def bare(pictures: Sequence[bytes]) -> None:
            for data in pictures:
                loop.encode(data)

        def teach(pictures: Sequence[bytes]) -> None:
            for taught in client.teach(Lesson(f"class {next(numbers)}", image=data) for data in pictures):
                if taught.failure:
                    raise taught.failure

        batch = new_pictures(_ITEMS, side_px=_SIDE_PX, quality=_QUALITY)
        return in_turn({"bare": bare, "teach": teach}, batch, pids=[server.pid])


def report(found: dict[str, Side]) -> str:
    """Return the result as a table."""
    bare, teach = found["bare"], found["teach"]
    head = ("teaching", "per s", "of bare", "goal", "cpu ms each", "over bare", "spread")
    rows = [
        ("bare loop", f"{1 / bare.wall_s:.1f}", "1.00", "", milliseconds(bare.cpu_s), "1.00", _spread(bare)),
        (
            "Remember",
            f"{1 / teach.wall_s:.1f}",
            f"{bare.wall_s / teach.wall_s:.2f}",
            ">= 0.9",
            milliseconds(teach.cpu_s),
            f"{teach.cpu_s / bare.cpu_s:.2f}",
            _spread(teach),
        ),
    ]
    return f"{_ITEMS * ROUNDS:,} JPEGs of {_SIDE_PX} pixels a side\n{table(head, rows)}"


def _spread(side: Side) -> str:
    return f"{100 * side.spread:.0f} %"


if __name__ == "__main__":
    print(report(measure()))
