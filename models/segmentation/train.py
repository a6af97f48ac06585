"""Trains the detector that ships: `python -m models.segmentation.train [maps|heads|export]`.

1. maps: draws the training scenes and reads each once with the trunk, which stays as it is.
2. heads: trains everything behind the trunk on what was read.
3. export: chooses the thresholds on development scenes and writes the folders of the store.

All go on where they were stopped. A scene is drawn from its number and a step from its own, so a run that
was stopped ends as one that was not.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models.segmentation.calibration import lines, thresholds
from models.segmentation.data import Vocabulary
from models.segmentation.heads.train import Pupil, Report, learn
from models.segmentation.judging.data import judged
from models.segmentation.knowledge import Knowledge
from models.segmentation.lessons import Lesson, Read, Shelf, lesson
from models.segmentation.network import Detector
from models.segmentation.recipe import TrainingSettings
from models.segmentation.samples import Sample
from models.segmentation.scenes.sets import development, training
from models.segmentation.scenes.sources import Names, Use, drawings
from models.segmentation.shipping.export import ship
from models.segmentation.variety import varied
from models.vision.local_encoder.cutouts import TRAINING
from models.vision.local_encoder.train import load_trunk

LESSONS: Final = TRAINING / "detector-lessons"
DEVELOPMENT: Final = {"seen": 128, "unseen": 128, "referring": 128, "stuff": 64}
"""Scenes of each set."""
_VARIETY: Final = 7_171_717
_WATCHED: Final = 32
_MEAN_OF: Final = 50


def training_scene(data_set: str, number: int) -> Sample:
    """Return a scene to learn from, seen as it is or otherwise."""
    return varied(training(data_set, number), np.random.default_rng((_VARIETY, number)))


def reader(detector: Detector) -> Read:
    """Return what reads pictures with the detector's trunk."""
    detector.trunk.to(memory_format=torch.channels_last)  # as pictures lie in memory: twice as fast
    device = next(detector.parameters()).device

    def read(images: np.ndarray) -> Sequence[np.ndarray]:
        with torch.inference_mode():
            return [each.cpu().numpy() for each in detector.read(torch.from_numpy(images).to(device)).levels]

    return read


def shelves(read: Read, settings: TrainingSettings) -> dict[tuple[str, str], tuple[Shelf, int]]:
    """Return where the lessons of each use and set are, and how many are needed."""
    counts = {("training", name): (training_scene, share.size) for name, share in settings.mixture}
    counts |= {("development", name): (development, count) for name, count in DEVELOPMENT.items()}
    return {
        (use, name): (_shelf(use, name, draw, read), count) for (use, name), (draw, count) in counts.items()
    }


def vocabulary(lessons: Sequence[Lesson]) -> Vocabulary:
    """Return what is asked in lessons, and what the encoders that ship know of it."""
    knowledge = Knowledge()
    texts = sorted({prompt.text for each in lessons for prompt in each.prompts})
    pictures = {
        drawing.id: drawing.rgba
        for names in (Names.SEEN, Names.CLIPART)
        for group in drawings(Use.TRAINING, names).groups.values()
        for drawing in group
    }
    return Vocabulary(
        lessons,
        dict(zip(texts, knowledge.read(texts), strict=True)),
        dict(zip(pictures, knowledge.see(pictures), strict=True)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Do one of the stages, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m models.segmentation.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=("maps", "heads", "export", "all"), nargs="?", default="all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    settings = TrainingSettings()
    torch.manual_seed(settings.seed)
    detector = Detector(load_trunk()).to(chosen.device)
    kept = shelves(reader(detector), settings)
    if chosen.stage in ("maps", "all"):
        for (use, name), (shelf, count) in kept.items():
            shelf.fill(count, _counter(f"{use} {name}"))
    if chosen.stage in ("heads", "all"):
        _heads(detector, kept, settings)
    if chosen.stage in ("export", "all"):
        _export(detector, kept, settings)


def _heads(
    detector: Detector, kept: Mapping[tuple[str, str], tuple[Shelf, int]], settings: TrainingSettings
) -> None:
    known = vocabulary([*_lessons(kept, "training"), *_lessons(kept, "development")])
    pupil = Pupil(detector, [name for name, _ in settings.mixture])
    watched = {name: _some(kept["development", name][0], _WATCHED) for name in DEVELOPMENT}

    def watch() -> None:
        scenes = {name: judged(detector, each, known.texts) for name, each in watched.items()}
        print("\n".join(lines(scenes, thresholds(list(chain(*scenes.values()))))), flush=True)

    learn(
        pupil,
        lambda name, number: kept["training", name][0][number],
        known,
        settings,
        checkpoint=checkpoint(settings),
        report=_reporter(settings, watch),
    )


def _export(
    detector: Detector, kept: Mapping[tuple[str, str], tuple[Shelf, int]], settings: TrainingSettings
) -> None:
    pupil = Pupil(detector, [name for name, _ in settings.mixture])
    state = torch.load(checkpoint(settings), weights_only=True, map_location="cpu")
    pupil.load_state_dict(state["modules"])
    lessons = _lessons(kept, "development")
    texts = sorted({prompt.text for each in lessons for prompt in each.prompts})
    known = dict(zip(texts, Knowledge().read(texts), strict=True))
    scenes = {name: judged(detector, _some(*kept["development", name]), known) for name in DEVELOPMENT}
    chosen = thresholds(list(chain(*scenes.values())))
    print("\n".join(lines(scenes, chosen)))
    ship(detector.cpu(), chosen)


def checkpoint(settings: TrainingSettings) -> Path:
    """Return where the run is kept."""
    return TRAINING / f"detector-{settings.digest}" / "heads.pt"


def _lessons(kept: Mapping[tuple[str, str], tuple[Shelf, int]], use: str) -> list[Lesson]:
    return [each for (of, _), (shelf, count) in kept.items() if of == use for each in _some(shelf, count)]


def _some(shelf: Shelf, count: int) -> list[Lesson]:
    return [shelf[number] for number in range(count)]


def _shelf(use: str, name: str, draw: Callable[[str, int], Sample], read: Read) -> Shelf:
    return Shelf(LESSONS / use / name, lambda number: lesson(draw(name, number), read))


def _counter(what: str) -> Callable[[int], None]:
    return lambda count: print(f"{what}: {count} scenes", flush=True)


def _reporter(settings: TrainingSettings, watch: Callable[[], None]) -> Report:
    started = time.monotonic()
    latest: deque[Mapping[str, float]] = deque(maxlen=_MEAN_OF)

    def report(step: int, terms: Mapping[str, float]) -> None:
        latest.append(terms)
        if (step + 1) % _MEAN_OF == 0:
            means = {name: sum(each[name] for each in latest) / len(latest) for name in terms}
            said = " ".join(f"{name} {mean:.3f}" for name, mean in means.items())
            took_s = time.monotonic() - started
            print(f"step {step + 1}, {took_s:.0f} s: loss {sum(means.values()):.3f}: {said}", flush=True)
        if (step + 1) % settings.watched_every == 0:
            watch()

    return report


if __name__ == "__main__":
    main()
