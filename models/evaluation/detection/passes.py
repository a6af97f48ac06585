"""Every scene of a set, looked at once: what was seen is kept, and a run that was ended goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from models.evaluation.detection.evidence import Evidence, Kept
from models.evaluation.detection.finder import Shipped
from models.evaluation.detection.phrases import with_strangers
from models.files import digest
from models.segmentation import samples, scenes
from models.segmentation.samples import Sample
from models.segmentation.scenes import sets
from models.segmentation.scenes.sources import Names, Use, drawings

_TOLD_EVERY_S: Final = 20.0

Draw = Callable[[str, int], Sample]
"""Draws a scene of a set by its number."""


@cache
def scenes_digest() -> str:
    """Return one digest of the code that draws scenes."""
    folder = Path(str(scenes.__file__)).parent
    files = [Path(samples.__file__), *sorted(folder.glob("*.py"))]
    return hashlib.sha256(" ".join(map(digest, files)).encode()).hexdigest()


@dataclass(frozen=True)
class Asking:
    """What is asked of which scenes.

    Attributes:
        name: Of the evaluation set.
        count: How many of its scenes, the first.
        strangers: How many phrases of the other scenes, true of nothing here, are asked besides.
        vocabulary: Names that are asked for all at once besides each scene's own prompts.
        stuff: Names of stuff, if every pixel is to be named as well.
    """

    name: str
    count: int
    strangers: int = 0
    vocabulary: tuple[str, ...] = ()
    stuff: frozenset[str] | None = None


def look(shipped: Shipped, asking: Asking, folder: Path, drawn: Draw = sets.evaluation) -> list[Evidence]:
    """Return what the detector made of scenes, from a folder where it was kept or is then.

    Args:
        shipped: The detector.
        asking: What is asked.
        folder: For what was seen.
        drawn: Draws a scene of a set.
    """
    kept = Kept(folder / _key(shipped, asking))
    missing = [scene for scene in range(asking.count) if scene not in kept]
    told = time.perf_counter()
    for scene, sample in _samples(asking, missing, drawn):
        kept.save(shipped.finder.find(sample, scene, vocabulary=asking.vocabulary, stuff=asking.stuff))
        if time.perf_counter() - told > _TOLD_EVERY_S:
            print(f"{asking.name}: {scene + 1} of {asking.count} scenes", flush=True)
            told = time.perf_counter()
    return [kept.load(scene) for scene in range(asking.count)]


def _samples(asking: Asking, scenes: Sequence[int], drawn: Draw) -> Iterator[tuple[int, Sample]]:
    if not asking.strangers:
        yield from ((scene, drawn(asking.name, scene)) for scene in scenes)
    elif scenes:
        every = [drawn(asking.name, scene) for scene in range(asking.count)]
        pool = drawings(Use.EVALUATION, Names.SEEN)
        for scene in scenes:
            names = [pool.name(thing.label) for thing in every[scene].things]
            yield scene, with_strangers(every[scene], every, asking.strangers, names)


def _key(shipped: Shipped, asking: Asking) -> str:
    """Return a name for all that decides what is kept: the detector, the code that draws, what is asked."""
    others = (asking.strangers, asking.count) if asking.strangers else None
    asked = repr((asking.name, others, asking.vocabulary, asking.stuff and sorted(asking.stuff)))
    return hashlib.sha256(f"{shipped.digest} {scenes_digest()} {asked}".encode()).hexdigest()[:32]
