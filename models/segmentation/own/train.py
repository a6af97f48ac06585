"""Teaches the detector a data set in COCO JSON: `python -m models.segmentation.own.train mine.json folder`.

It begins with what the packaged detector knows. Every tenth picture is kept aside, and the threshold for
names is chosen on those. What is written is a folder of models that the services open in place of the
packaged ones; run again, it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models.export import DESCRIPTION, STORE
from models.segmentation.calibration import thresholds
from models.segmentation.coco.reading import CocoSet, read
from models.segmentation.data import Vocabulary
from models.segmentation.export import DETECTOR, SCORER, restore
from models.segmentation.heads.train import Pupil, learn
from models.segmentation.judging.data import judged
from models.segmentation.knowledge import Knowledge
from models.segmentation.lessons import SHARD, Lesson, Shelf, lesson
from models.segmentation.network import Detector
from models.segmentation.recipe import TrainingSettings
from models.segmentation.samples import PromptKind
from models.segmentation.sampling import Share
from models.segmentation.shipping.export import ship
from models.segmentation.train import reader
from models.vision.local_encoder.train import load_trunk

RATE: Final = 3e-4
"""Lower than for new weights: what the detector knows is to stay."""
_KEPT_ASIDE: Final = 10
_SAID_EVERY: Final = 25

Texts = Callable[[Sequence[str]], np.ndarray]
"""Gives the vector of each text."""


def parts(count: int) -> tuple[list[int], list[int]]:
    """Return the numbers of the pictures that are learned from, and of those that are kept aside.

    Of fewer than ten, all are learned from and thresholds are chosen on the same.
    """
    numbers = list(range(count))
    if count < _KEPT_ASIDE:
        return numbers, numbers
    return [n for n in numbers if n % _KEPT_ASIDE], numbers[::_KEPT_ASIDE]


def recipe(known: CocoSet, steps: int) -> TrainingSettings:
    """Return how a data set is learned."""
    learned, _ = parts(len(known))
    return TrainingSettings(mixture=((known.name, Share(len(learned), 1.0)),), steps=steps, rate=RATE)


def teach(
    known: CocoSet, detector: Detector, texts: Texts, settings: TrainingSettings, folder: Path
) -> dict[PromptKind, float]:
    """Teach a detector, and return the threshold of each kind of prompt that something absent was asked in.

    Args:
        known: At least one picture.
        detector: Learns in place, but for its trunk.
        texts: The encoder of texts.
        settings: As `recipe` gives them.
        folder: Where lessons and the run are kept.
    """
    shelf = Shelf(folder / "lessons", _maker(known, detector))
    shelf.fill(len(known), lambda count: print(f"{min(count, len(known))} pictures read", flush=True))
    learned, aside = ([shelf[number] for number in part] for part in parts(len(known)))
    asked = sorted({prompt.text for prompt in known.prompts})
    vectors = dict(zip(asked, texts(asked), strict=True))
    learn(
        Pupil(detector, [known.name]),
        lambda _, number: learned[number],
        Vocabulary([*learned, *aside], vectors, {}),
        settings,
        checkpoint=folder / "heads.pt",
        report=_said,
    )
    return thresholds({known.name: judged(detector, aside, vectors)})


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn, and write the models."""
    parser = argparse.ArgumentParser(prog="python -m models.segmentation.own.train", description=__doc__)
    parser.add_argument("annotations", type=Path, help="COCO JSON")
    parser.add_argument("images", type=Path, help="the folder that its file names are in")
    parser.add_argument("--classes", type=Path, help="the names that are learned, one a line; all otherwise")
    parser.add_argument("--to", type=Path, default=Path("detector"), help="folder of the run and its models")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    known = read(chosen.annotations, chosen.images, classes=chosen.classes)
    detector = Detector(load_trunk())
    restore(detector)
    run = chosen.to / _digest(chosen.annotations, chosen.classes)
    found = teach(known, detector, Knowledge(chosen.to).read, recipe(known, chosen.steps), run)
    describe(chosen.to / "store")
    ship(detector, found, chosen.to / "store")
    print(f"thresholds: {found}; models in {chosen.to / 'store'}")


def describe(store: Path) -> None:
    """Make a folder of models, described as the packaged ones are, for graphs to be written beside."""
    for name in (DETECTOR, SCORER):
        place = store / name / "1"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STORE / name / "1" / DESCRIPTION, place / DESCRIPTION)


def _maker(known: CocoSet, detector: Detector) -> Callable[[int], Lesson]:
    """Return what makes lessons; beyond the last picture the first come again, for shelves fill up."""
    see = reader(detector)
    made = lru_cache(maxsize=SHARD)(lambda number: lesson(known.sample(number), see))
    return lambda place: made(place % len(known))


def _digest(annotations: Path, classes: Path | None) -> str:
    said = annotations.read_bytes() + (classes.read_bytes() if classes else b"")
    return hashlib.sha256(said).hexdigest()[:12]


def _said(step: int, terms: Mapping[str, float]) -> None:
    if (step + 1) % _SAID_EVERY == 0:
        print(f"step {step + 1}: loss {sum(terms.values()):.3f}", flush=True)


if __name__ == "__main__":
    main()
