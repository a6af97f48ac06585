"""What `Recognize` costs beside a bare loop of decode, preparation and the same models' forward passes.

Processor time of server and client together, over that of the loop, on 200 KB JPEGs, every one of them new:
the services keep embeddings, and what they have seen before would cost them nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.bare import BareLoop
from benchmarks.measure import Side, cost, in_turn
from benchmarks.pictures import new_pictures, photograph
from benchmarks.table import milliseconds, table
from examples.serving import Serving, serving
from fovea import Client, Lesson

_ITEMS = 20
_CLASSES = 300
_IDLE_S = 3.0


@dataclass(frozen=True)
class Found:
    """Costs per picture, and the share of one processor that a server uses when nothing is asked."""

    picture_bytes: int
    bare: Side
    unary: Side
    stream: Side
    idle: float


def measure() -> Found:
    """Run all sides in turn."""
    with serving() as server, Client(server.target, timeout_s=60) as client:
        list(client.teach(Lesson(f"class {i}") for i in range(_CLASSES)))
        idle = _idle(server)
        sides = in_turn(_sides(client), new_pictures(_ITEMS), pids=[server.pid])
    return Found(len(photograph(0)), sides["bare"], sides["unary"], sides["stream"], idle)


def report(found: Found) -> str:
    """Return the result as a table."""
    head = ("one picture", "cpu ms", "over bare", "goal", "wall ms", "over bare", "spread")
    rows = [
        _row("bare loop", found.bare, found.bare, ""),
        _row("Recognize, one caller", found.unary, found.bare, "<= 1.25"),
        _row("RecognizeStream", found.stream, found.bare, "< unary"),
    ]
    size = f"JPEGs of {found.picture_bytes / 1e3:.0f} KB; processor time of server and client together"
    return f"{size}\n{table(head, rows)}\nidle server: {100 * found.idle:.1f} % of one processor"


def _sides(client: Client) -> dict[str, Callable[[Sequence[bytes]], None]]:
    loop = BareLoop()

    def bare(pictures: Sequence[bytes]) -> None:
        for data in pictures:
            loop.encode(data)

    def unary(pictures: Sequence[bytes]) -> None:
        for data in pictures:
            client.recognize(data)

    def stream(pictures: Sequence[bytes]) -> None:
        for answer in client.recognize_many(pictures):
            if answer.failure:
                raise answer.failure

    return {"bare": bare, "unary": unary, "stream": stream}


def _row(what: str, side: Side, bare: Side, goal: str) -> tuple[str, ...]:
    return (
        what,
        milliseconds(side.cpu_s),
        f"{side.cpu_s / bare.cpu_s:.2f}",
        goal,
        milliseconds(side.wall_s),
        f"{side.wall_s / bare.wall_s:.2f}",
        f"{100 * side.spread:.0f} %",
    )


def _idle(server: Serving) -> float:
    found = cost(lambda: time.sleep(_IDLE_S), pids=[server.pid])
    return found.cpu_s / found.wall_s


if __name__ == "__main__":
    print(report(measure()))
