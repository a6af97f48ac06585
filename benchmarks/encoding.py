"""Encoding pictures: the service's stream beside a bare loop at its best batch size, and what repeats cost.

Both sides use every processor, with one thread a forward pass, on JPEGs of 200 KB, each of them new.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.bare import BareLoop
from benchmarks.encoding_service import Encoding, opened, whole
from benchmarks.measure import Side, in_turn
from benchmarks.pictures import new_pictures
from benchmarks.table import milliseconds, table
from fovea.encoding.v1 import encoding_pb2 as pb

_BATCHES = (1, 2, 4, 8, 16)
_ITEMS = 48
_REPEATS = 24  # pictures that come twice
_ROUNDS = 5


@dataclass(frozen=True)
class Found:
    """Costs per picture: of the loop by its batch size, of the service, and where half of them repeat."""

    loops: dict[int, Side]
    service: Side
    kept: Side
    anew: Side


@dataclass(frozen=True)
class Picture:
    """A picture as either side takes it."""

    data: bytes
    request: pb.EncodeRegionsRequest


def measure(*, rounds: int = _ROUNDS, items: int = _ITEMS) -> Found:
    """Run all sides in turn."""
    with opened() as keeping, opened(kept_regions=0) as forgetting:
        stores = (keeping, forgetting)
        sides: dict[str, Callable[[Sequence[Picture]], object]] = {
            f"loop {size}": _looping(size) for size in _BATCHES
        }
        sides["service"] = _streaming(keeping)
        found = in_turn(sides, _stored(new_pictures(items), stores), rounds=rounds)
        repeats = in_turn(
            {"kept": _streaming(keeping), "anew": _streaming(forgetting)},
            _stored(new_pictures(_REPEATS, side_px=801), stores, times=2),
            rounds=rounds,
        )
    loops = {size: found[f"loop {size}"] for size in _BATCHES}
    return Found(loops, found["service"], repeats["kept"], repeats["anew"])


def report(found: Found) -> str:
    """Return the result as two tables."""
    best = min(found.loops.values(), key=lambda side: side.wall_s)
    head = ("one picture", "wall ms", "cpu ms", "pictures/s", "over the best loop", "goal", "spread")
    rows = [_row(f"bare loop, batches of {size}", side, best, "") for size, side in found.loops.items()]
    rows.append(_row("EncodeRegionsStream", found.service, best, ">= 0.95"))
    again = [
        _row("every one encoded", found.anew, found.anew, ""),
        _row("those seen before kept", found.kept, found.anew, ">= 1.8"),
    ]
    second = ("half of them repeats", *head[1:4], "over encoding all", *head[5:])
    return f"{len(os.sched_getaffinity(0))} threads\n{table(head, rows)}\n\n{table(second, again)}"


def _looping(size: int) -> Callable[[Sequence[Picture]], object]:
    loops = [BareLoop() for _ in os.sched_getaffinity(0)]
    pool = ThreadPoolExecutor(len(loops))

    def run(pictures: Sequence[Picture]) -> None:
        shares = [pictures[part :: len(loops)] for part in range(len(loops))]
        list(pool.map(lambda loop, share: _looped(loop, share, size), loops, shares))

    return run


def _looped(loop: BareLoop, pictures: Sequence[Picture], size: int) -> None:
    for start in range(0, len(pictures), size):
        loop.encode_all([picture.data for picture in pictures[start : start + size]])


def _streaming(encoding: Encoding) -> Callable[[Sequence[Picture]], object]:
    return lambda pictures: encoding.stream([picture.request for picture in pictures])


def _stored(
    batch: Callable[[], list[bytes]], encodings: Sequence[Encoding], *, times: int = 1
) -> Callable[[], list[Picture]]:
    """Return what makes batches of pictures that the services can read, each coming so many times."""

    def stored() -> list[Picture]:
        pictures = []
        for data in batch():
            image, *_ = [encoding.put(data) for encoding in encodings]
            pictures.append(Picture(data, whole(image)))
        return pictures * times

    return stored


def _row(what: str, side: Side, peer: Side, goal: str) -> tuple[str, ...]:
    return (
        what,
        milliseconds(side.wall_s),
        milliseconds(side.cpu_s),
        f"{1 / side.wall_s:.1f}",
        f"{peer.wall_s / side.wall_s:.2f}",
        goal,
        f"{100 * side.spread:.0f} %",
    )


if __name__ == "__main__":
    print(report(measure()))
