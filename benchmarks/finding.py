"""Finding by prompts: by how many there are, on images that are new and on one that was seen before.

The image pass does not depend on the names, so that more names cost a product of matrices each. What a
detector costs that reads names together with the image is measured with the same model: one pass a name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.finding_service import BareGraphs, Finding, opened
from benchmarks.measure import Side, in_turn, resident_bytes
from benchmarks.pictures import new_pictures, new_scenes
from benchmarks.table import megabytes, milliseconds, table
from fovea.kernel.v1 import image_pb2, prompt_pb2
from fovea.segmentation.v1.segmentation_pb2 import ProposeRegionsRequest

_SIDE_PX = 512
_FEW, _MANY, _ALL = 100, 1_000, 13_204
_APART = 10
_REPEATS = 10
_IMAGES = 4
_ROUNDS = 3
_STREAMED = 64
_WORDS = ("small", "large", "red", "green", "blue", "old", "new", "wooden", "round", "long")


@dataclass(frozen=True)
class Found:
    """Costs of an image.

    Attributes:
        new: By the number of names, of images that were never seen, with the second look.
        once: The same of few names, without it.
        seen: The same of one that was, with a request that was written before.
        sides: Of ratios: names `together` in one pass or `apart`, the `service` or the `bare` graphs.
        reading_s: To read a thousand names.
        memory_bytes: Taken by all names beyond their vectors.
    """

    new: dict[int, Side]
    once: Side
    seen: dict[int, Side]
    sides: dict[str, Side]
    reading_s: float
    memory_bytes: int


@dataclass(frozen=True)
class Picture:
    """A picture as either side takes it."""

    data: bytes
    image: image_pb2.ImageReference


def measure(*, rounds: int = _ROUNDS) -> Found:
    """Run all sides in turn, on vectors of names that were read before."""
    names = _names(_ALL)
    counts = {str(count): names[:count] for count in (_FEW, _MANY, _ALL)}
    pictures = new_scenes(_IMAGES, side_px=_SIDE_PX)
    with (
        opened(kept_prompts=2 * _ALL) as finding,
        opened(kept_passes_mb=0) as forgetting,
        opened(second_look=0) as looking_once,
    ):
        looking_once.find(looking_once.put(pictures()[0]), names[:_FEW])
        first = finding.put(pictures()[0])
        reading_s = _reading_s(finding, names)
        finding.find(first, names[:_FEW])  # whoever sees crops has its memory then
        before = resident_bytes(os.getpid())
        finding.find(first, names)
        memory_bytes = resident_bytes(os.getpid()) - before
        asking = {key: _asking(finding, some) for key, some in counts.items()}
        new = in_turn({**asking, "once": _asking(looking_once, names[:_FEW])}, pictures, rounds=rounds)
        once = new.pop("once")
        seen = in_turn(
            {key: _repeating(finding, first, some) for key, some in counts.items()},
            lambda: range(_REPEATS),
            rounds=rounds,
        )
        sides = {
            "together": _asking(finding, names[:_APART]),
            "apart": _one_by_one(forgetting, names[:_APART]),
        }
        passes = in_turn(sides, pictures, rounds=rounds)
        streams = in_turn(
            {"service": _streaming(looking_once, names[:_FEW]), "bare": _looping()},
            _stored(looking_once, new_pictures(_STREAMED, side_px=_SIDE_PX + 1)),
            rounds=rounds,
        )
    return Found(
        {int(key): side for key, side in new.items()},
        once,
        {int(key): side for key, side in seen.items()},
        {**passes, **streams},
        reading_s,
        memory_bytes,
    )


def report(found: Found) -> str:
    """Return the result as tables."""
    head = ("an image of 512 x 512", "wall ms", "cpu ms", "goal", "spread")
    rows = [
        _row(f"new, {_FEW} names, without a second look", found.once, "<= 150 ms"),
        _row(f"new, {_FEW} names", found.new[_FEW], "<= 150 ms"),
        _row(f"new, {_MANY:,} names", found.new[_MANY], ""),
        _row(f"new, {_ALL:,} names", found.new[_ALL], ""),
        _row(f"seen, {_FEW} names", found.seen[_FEW], ""),
        _row(f"seen, {_MANY:,} names", found.seen[_MANY], "<= 5 ms"),
        _row(f"seen, {_ALL:,} names", found.seen[_ALL], ""),
    ]
    bare, service = found.sides["bare"], found.sides["service"]
    apart, together = found.sides["apart"], found.sides["together"]
    ratios = [
        (
            f"{_ALL:,} names over {_FEW}, on a new image",
            f"{found.new[_ALL].wall_s / found.new[_FEW].wall_s:.2f}",
            "<= 2",
        ),
        (
            f"a pass for each of {_APART} names over one for all",
            f"{apart.wall_s / together.wall_s:.1f}",
            "",
        ),
        (
            f"images/s of the stream, looking once, over the bare graphs ({1 / bare.wall_s:.1f}/s)",
            f"{bare.wall_s / service.wall_s:.2f}",
            ">= 0.95",
        ),
    ]
    also = (
        f"reading {_MANY:,} names that were never read: {1e3 * found.reading_s / _MANY:.2f} ms each\n"
        f"memory that {_ALL:,} names took beyond their kept vectors: {megabytes(found.memory_bytes)}"
    )
    return f"{table(head, rows)}\n\n{table(('ratio', '', 'goal'), ratios)}\n\n{also}"


def _names(count: int) -> list[prompt_pb2.Prompt]:
    return [
        prompt_pb2.Prompt(name=f"{_WORDS[number % len(_WORDS)]} thing of kind {number}")
        for number in range(count)
    ]


def _reading_s(finding: Finding, names: Sequence[prompt_pb2.Prompt]) -> float:
    """Have all names read, and return what the first thousand took, on an image that was seen."""
    image = finding.put(new_pictures(1, side_px=_SIDE_PX + 1)()[0])
    finding.find(image, [prompt_pb2.Prompt(name="anything")])
    began = time.perf_counter()
    finding.find(image, names[:_MANY])
    taken_s = time.perf_counter() - began
    finding.find(image, names)
    return taken_s


def _asking(finding: Finding, names: Sequence[prompt_pb2.Prompt]) -> Callable[[Sequence[bytes]], None]:
    def run(pictures: Sequence[bytes]) -> None:
        for data in pictures:
            finding.find(finding.put(data), names)

    return run


def _repeating(
    finding: Finding, image: image_pb2.ImageReference, names: Sequence[prompt_pb2.Prompt]
) -> Callable[[Sequence[int]], None]:
    request = ProposeRegionsRequest(image=image, prompts=names)  # which the caller keeps

    def run(times: Sequence[int]) -> None:
        for _ in times:
            finding.ask(request)

    return run


def _one_by_one(finding: Finding, names: Sequence[prompt_pb2.Prompt]) -> Callable[[Sequence[bytes]], None]:
    def run(pictures: Sequence[bytes]) -> None:
        for data in pictures:
            image = finding.put(data)
            for name in names:
                finding.find(image, [name])

    return run


def _stored(finding: Finding, pictures: Callable[[], list[bytes]]) -> Callable[[], list[Picture]]:
    return lambda: [Picture(data, finding.put(data)) for data in pictures()]


def _streaming(finding: Finding, names: Sequence[prompt_pb2.Prompt]) -> Callable[[Sequence[Picture]], None]:
    return lambda pictures: finding.stream([picture.image for picture in pictures], names)


def _looping() -> Callable[[Sequence[Picture]], None]:
    texts = np.eye(640, dtype=np.float32)[:_FEW]
    loops = [BareGraphs(texts) for _ in os.sched_getaffinity(0)]
    pool = ThreadPoolExecutor(len(loops))

    def run(pictures: Sequence[Picture]) -> None:
        shares = [pictures[part :: len(loops)] for part in range(len(loops))]
        list(pool.map(lambda loop, share: [loop.find(each.data) for each in share], loops, shares))

    return run


def _row(what: str, side: Side, goal: str) -> tuple[str, ...]:
    spread = f"{100 * side.spread:.0f} %"
    return (what, milliseconds(side.wall_s), milliseconds(side.cpu_s), goal, spread)


if __name__ == "__main__":
    print(report(measure()))
