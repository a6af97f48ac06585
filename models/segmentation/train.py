"""Trains the detector that ships: `python -m models.segmentation.train [STAGE]`, or all stages in turn.

1. maps: draws the training scenes and reads each once with the trunk, which stays as it is.
2. names: teaches the region reader what things are called, from their true boxes.
3. heads: trains everything behind the trunk on what was read.
4. boxes: teaches the refiner how boxes that were found are to be moved.
5. phrases: teaches what phrases say of things, on what the trained detector finds.
6. export: chooses the thresholds on development scenes and writes the folders of the store.

All go on where they were stopped. A scene is drawn from its number and a step from its own, so a run that
was stopped ends as one that was not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models.segmentation.calibration import Asked, lines, thresholds
from models.segmentation.data import Vocabulary
from models.segmentation.heads.train import Pupil, learn, settle
from models.segmentation.judging.data import judged
from models.segmentation.judging.exemplars import by_exemplar, pictures
from models.segmentation.knowledge import Knowledge
from models.segmentation.lessons import Lesson, Read, Shelf, lesson
from models.segmentation.naming.train import learn_names, views
from models.segmentation.network import Detector
from models.segmentation.progress import counter, reporter, said
from models.segmentation.recipe import NamingSettings, TrainingSettings
from models.segmentation.refining.train import RefiningSettings, learn_boxes
from models.segmentation.relating.train import RelatingSettings, found_in, learn_cues, learn_relations
from models.segmentation.relating.wordings import KEPT_WORDINGS, as_sentences, reworded
from models.segmentation.samples import PromptKind, Sample
from models.segmentation.scenes.pools import Pool
from models.segmentation.scenes.sets import development, training
from models.segmentation.scenes.sources import Names, Use, drawings
from models.segmentation.shipping.export import ship
from models.segmentation.variety import varied
from models.vision.local_encoder.cutouts import TRAINING
from models.vision.local_encoder.train import load_trunk

LESSONS: Final = TRAINING / "detector-lessons"
DEVELOPMENT: Final = {"seen": 128, "unseen": 128, "referring": 128, "stuff": 64}
"""Scenes of each set."""
_SHOWN: Final = ("seen", "unseen")
"""Sets whose things are asked for by pictures, too."""
_VARIETY: Final = 7_171_717
_WATCHED: Final = 32
_SETTLING: Final = 256
_NAMES: Final = "names.pt"
_REFINER: Final = "boxes.pt"
_RELATIONS: Final = "phrases.pt"
_REFERRING: Final = "referring"
_BOXED: Final = ("scenes", "stuff")
"""Sets whose boxes the refiner learns from."""


Kept = Mapping[tuple[str, str], tuple[Shelf, int]]
"""By use and name of a set: where its lessons are, and how many are needed."""


def training_scene(data_set: str, number: int) -> Sample:
    """Return a scene to learn from, seen as it is or otherwise."""
    return varied(training(data_set, number), np.random.default_rng((_VARIETY, number)))


def reader(detector: Detector) -> Read:
    """Return what reads pictures with the detector's trunk."""
    detector.trunk.to(memory_format=torch.channels_last)  # as pictures lie in memory: twice as fast
    device = _device(detector)

    def read(images: np.ndarray) -> Sequence[np.ndarray]:
        with torch.inference_mode():
            return [each.cpu().numpy() for each in detector.read(torch.from_numpy(images).to(device)).levels]

    return read


def shelves(read: Read, settings: TrainingSettings) -> Kept:
    """Return where the lessons of each use and set are, and how many are needed."""
    kept = {
        ("training", name): (_shelf("training", name, training_scene, read), share.size)
        for name, share in settings.mixture
    }
    return kept | {
        ("development", name): (_shelf("development", name, development, read), count)
        for name, count in DEVELOPMENT.items()
    }


def vocabulary(lessons: Sequence[Lesson]) -> Vocabulary:
    """Return what is asked in lessons, and what the encoders that ship know of it."""
    knowledge = Knowledge()
    texts = _texts(lessons)
    cutouts = _cutouts(drawings(Use.TRAINING, names) for names in (Names.SEEN, Names.CLIPART))
    return Vocabulary(
        lessons,
        dict(zip(texts, knowledge.read(texts), strict=True)),
        dict(zip(cutouts, knowledge.see(cutouts), strict=True)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Do one of the stages, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m models.segmentation.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=(*_STAGES, "all"), nargs="?", default="all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    settings = TrainingSettings()
    torch.manual_seed(settings.seed)
    detector = Detector(load_trunk()).to(chosen.device)
    kept = shelves(reader(detector), settings)
    for stage in _STAGES if chosen.stage == "all" else (chosen.stage,):
        _STAGES[stage](detector, kept, settings)


def _maps(_: Detector, kept: Kept, __: TrainingSettings) -> None:
    for (use, name), (shelf, count) in kept.items():
        shelf.fill(count, counter(f"{use} {name}"))


def _names(detector: Detector, kept: Kept, settings: TrainingSettings) -> None:
    lessons = _lessons(kept, "training")
    torch.manual_seed(settings.seed)
    settle(detector, lessons[:: max(1, len(lessons) // _SETTLING)])
    seen, names = views(detector, lessons, vocabulary(lessons), seed=settings.seed)
    learn_names(detector, seen, names.to(_device(detector)), NamingSettings(), said("names"))
    _place(settings).mkdir(parents=True, exist_ok=True)
    torch.save(detector.state_dict(), _place(settings) / _NAMES)


def _heads(detector: Detector, kept: Kept, settings: TrainingSettings) -> None:
    known = vocabulary([*_lessons(kept, "training"), *_lessons(kept, "development")])
    detector.load_state_dict(torch.load(_place(settings) / _NAMES, weights_only=True))
    pupil = Pupil(detector, [name for name, _ in settings.mixture])
    watched = {name: _some(kept["development", name][0], _WATCHED) for name in DEVELOPMENT}

    def watch() -> None:
        scenes = {name: judged(detector, each, known.texts) for name, each in watched.items()}
        print("\n".join(lines(scenes, thresholds(scenes))), flush=True)

    learn(
        pupil,
        lambda name, number: kept["training", name][0][number],
        known,
        settings,
        checkpoint=checkpoint(settings),
        report=reporter(settings, watch),
    )


def _boxes(detector: Detector, kept: Kept, settings: TrainingSettings) -> None:
    _trained(detector, settings)
    lessons = [each for name in _BOXED for each in _some(*kept["training", name])]
    learn_boxes(detector, lessons.__getitem__, len(lessons), RefiningSettings(), said("boxes"))
    torch.save(detector.refiner.state_dict(), _place(settings) / _REFINER)


def _phrases(detector: Detector, kept: Kept, settings: TrainingSettings) -> None:
    _trained(detector, settings)
    _refined(detector, settings)
    relating, place = RelatingSettings(), _place(settings)
    shelf, _ = kept["training", _REFERRING]
    shelf.fill(relating.scenes, counter(f"training {_REFERRING}"))
    lessons = _some(shelf, relating.scenes)
    knowledge = Knowledge()
    asked = [*_texts(lessons), *chain(*reworded(_phrases_of(lessons), times=relating.ways))]
    texts = dict(zip(asked, knowledge.read(asked), strict=True))
    learn_cues(detector.relations.cues, texts, relating, checkpoint=place / "cues.pt", report=said("cues"))
    scenes = list(found_in(detector.eval(), lessons, texts, relating))
    checkpoint = place / "relations.pt"
    learn_relations(detector.relations, scenes, relating, checkpoint=checkpoint, report=said("phrases"))
    torch.save(detector.relations.state_dict(), place / _RELATIONS)


def _export(detector: Detector, kept: Kept, settings: TrainingSettings) -> None:
    _trained(detector, settings)
    _refined(detector, settings)
    detector.relations.load_state_dict(torch.load(_place(settings) / _RELATIONS, weights_only=True))
    scenes = _judged(detector, kept)
    chosen = thresholds(scenes)
    print("\n".join(lines(scenes, chosen)))
    ship(detector.cpu(), chosen)


def _trained(detector: Detector, settings: TrainingSettings) -> None:
    """Bring a detector to where the run over its heads ended."""
    pupil = Pupil(detector, [name for name, _ in settings.mixture])
    pupil.load_state_dict(torch.load(checkpoint(settings), weights_only=True)["modules"])


def _refined(detector: Detector, settings: TrainingSettings) -> None:
    """Give a detector the refiner that was taught."""
    detector.refiner.load_state_dict(torch.load(_place(settings) / _REFINER, weights_only=True))


def _judged(detector: Detector, kept: Kept) -> dict[str, list[Asked]]:
    """Return what is found in all development scenes; things that are asked by name also by a picture."""
    lessons = {name: _some(*kept["development", name]) for name in DEVELOPMENT}
    lessons[f"{_REFERRING}, in unheard wordings"] = _unheard(lessons[_REFERRING])
    pools = [drawings(Use.TRAINING, Names.SEEN), drawings(Use.DEVELOPMENT, Names.UNSEEN)]
    shown = pictures(pools)
    for name in _SHOWN:
        lessons[f"{name}, by a picture"] = [by_exemplar(each, shown) for each in lessons[name]]
    knowledge = Knowledge()
    texts = _texts(chain(*lessons.values()))
    cutouts = _cutouts(pools)
    said = [text for text in texts if text not in cutouts]
    known = dict(zip(said, knowledge.read(said), strict=True))
    known |= dict(zip(cutouts, knowledge.see(cutouts), strict=True))
    return {name: judged(detector, each, known) for name, each in lessons.items()}


def checkpoint(settings: TrainingSettings) -> Path:
    """Return where the run over the heads is kept."""
    return _place(settings) / "heads.pt"


def _place(settings: TrainingSettings) -> Path:
    return TRAINING / f"detector-{settings.digest}"


def _lessons(kept: Kept, use: str) -> list[Lesson]:
    return [each for (of, _), (shelf, count) in kept.items() if of == use for each in _some(shelf, count)]


def _texts(lessons: Iterable[Lesson]) -> list[str]:
    return sorted({prompt.text for each in lessons for prompt in each.prompts})


def _phrases_of(lessons: Iterable[Lesson]) -> list[str]:
    return sorted({p.text for each in lessons for p in each.prompts if p.kind is PromptKind.PHRASE})


def _unheard(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Return lessons in which all phrases are asked as sentences, in wordings that were never taught."""
    phrases = _phrases_of(lessons)
    sentences = chain(*reworded(phrases, times=1, wordings=KEPT_WORDINGS))
    asked = dict(zip(phrases, sentences, strict=True))
    return [as_sentences(each, asked) for each in lessons]


def _some(shelf: Shelf, count: int) -> list[Lesson]:
    return [shelf[number] for number in range(count)]


def _shelf(use: str, name: str, draw: Callable[[str, int], Sample], read: Read) -> Shelf:
    return Shelf(LESSONS / use / name, lambda number: lesson(draw(name, number), read))


def _cutouts(pools: Iterable[Pool]) -> dict[str, np.ndarray]:
    return {drawing.id: drawing.rgba for pool in pools for group in pool.groups.values() for drawing in group}


def _device(detector: Detector) -> torch.device:
    return next(detector.parameters()).device


_STAGES: Final = {
    "maps": _maps,
    "names": _names,
    "heads": _heads,
    "boxes": _boxes,
    "phrases": _phrases,
    "export": _export,
}


if __name__ == "__main__":
    main()
