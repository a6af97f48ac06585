"""Fits the second look and chooses its thresholds: `python -m models.segmentation.looking.train`.

On development scenes alone, with the graphs of the store. How far crops are believed is fitted on names that
the detector was trained on, stuff among them, of which the encoder of crops knows nothing, and on names that
were kept from the detector, read as if the text encoder had never learned them either. Thresholds follow the
rule of all others (`models.segmentation.calibration`). Both are written into the description of the detector,
whose own thresholds stay for whoever does not look twice. Names at large are those that the detector was
trained on, and are kept beside its graph.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from models.evaluation.detection.finder import DETECTOR, NAMES_AT_LARGE, Finder, shipped
from models.evaluation.detection.twice import See
from models.evaluation.encoders import NAMES
from models.export import DESCRIPTION, STORE
from models.importer.description import described_file
from models.segmentation.calibration import Asked, measured, overlap, thresholds
from models.segmentation.judging.exemplars import by_exemplar, pictures
from models.segmentation.knowledge import Knowledge
from models.segmentation.lessons import Lesson, lesson
from models.segmentation.looking.fitting import Pairs, fitted
from models.segmentation.looking.unknowing import forgetting
from models.segmentation.samples import PromptKind
from models.segmentation.scenes.sets import development
from models.segmentation.scenes.sources import Names, Use, drawings
from models.segmentation.second_look import SecondLook, crops, joined, nearness, places
from models.vision.preparation import DEFAULTS

SCENES: Final = {"seen": 128, "unseen": 128, "stuff": 64}
"""Of each development set whose things are asked for by name."""
MOST: Final = 12
LEAST_OBJECTNESS: Final = -0.5
_SHOWN: Final = ("seen", "unseen")
"""Sets whose things are asked for by pictures, too."""
_UNKNOWN: Final = "unseen"
_TABLE: Final = "\n[detection.second_look]\n"
_HIT: Final = 0.5
_DIGITS: Final = 4
_WEIGHTS: Final = ("own", "crop", "shift", "near")

Vectors = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Looked:
    """A development scene after both looks, before they are joined.

    Attributes:
        lesson: Its truth.
        outputs: Of the image pass.
        boxes: Of all places, in pixels of the picture.
        chosen: The places that were looked at.
        crops: What was seen there.
    """

    lesson: Lesson
    outputs: Mapping[str, np.ndarray]
    boxes: np.ndarray
    chosen: Int64[np.ndarray, "k"]
    crops: Float32[np.ndarray, "k dim"]


def looked(finder: Finder, see: See, name: str, number: int) -> Looked:
    """Return a development scene as it is seen."""
    sample = development(name, number)
    seen = finder.see(sample)
    boxes = seen.square.to_image(seen.outputs["boxes"].astype(np.float64))
    chosen = places(boxes, seen.outputs["objectness"], _unfitted())
    found = np.zeros((0, seen.texts.shape[1]), dtype=np.float32)
    if len(chosen):
        found = see(np.stack(crops(sample.image, boxes[chosen], DEFAULTS)))[NAMES]
    return Looked(lesson(sample, lambda _: ()), seen.outputs, boxes, chosen, found)


def pairs(scenes: Sequence[Looked], texts: Vectors, names: Float32[np.ndarray, "name dim"]) -> Pairs:
    """Return every pair of a place that was looked at and a name of its scene."""
    parts = []
    for each in scenes:
        asked = np.stack([texts[prompt.text] for prompt in each.lesson.prompts])
        own = each.outputs["queries"][each.chosen] @ asked.T + each.outputs["offsets"][each.chosen, None]
        fits = overlap(each.outputs["boxes"][each.chosen], each.lesson.boxes) >= _HIT
        right = (fits[:, :, None] & each.lesson.truth[None]).any(axis=1)
        near = np.repeat(nearness(each.crops, names), len(asked))
        parts.append((own.ravel(), (each.crops @ asked.T).ravel(), near, right.ravel()))
    return Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def asked(each: Looked, own: Lesson, texts: Vectors, look: SecondLook | None) -> Asked:
    """Return what a scene's prompts find, with a second look or without."""
    queries, offsets = each.outputs["queries"], each.outputs["offsets"]
    if look is not None:
        queries, offsets = joined(queries, offsets, each.boxes, each.chosen, each.crops, look=look)
    vectors = np.stack([texts[prompt.text] for prompt in own.prompts])
    return Asked(
        kinds=tuple(prompt.kind for prompt in own.prompts),
        boxes=each.outputs["boxes"],
        logits=queries @ vectors.T + offsets[:, None],
        truth=own.boxes,
        answers=own.truth,
        overlaps=overlap(each.outputs["boxes"], own.boxes).astype(np.float32),
        crowds=own.crowds,
        crowd_answers=own.crowd_truth,
    )


def ship(look: SecondLook, chosen: Mapping[PromptKind, float], store: Path = STORE) -> None:
    """Write the look and its thresholds at the end of the detector's description, names beside its graph."""
    folder = store / DETECTOR / "1"
    path = folder / DESCRIPTION
    text, _, _ = path.read_text(encoding="utf-8").partition(_TABLE)
    lines = [f"most = {look.most}", f"least_objectness = {look.least_objectness}"]
    lines += [f"{name} = {getattr(look, name):.{_DIGITS}f}" for name in _WEIGHTS]
    lines += ["", "[detection.second_look.thresholds]"]
    lines += [f"{kind.value} = {value:.{_DIGITS}f}" for kind, value in chosen.items()]
    np.save(folder / NAMES_AT_LARGE, look.names.astype(np.float16), allow_pickle=False)
    file = described_file(folder / NAMES_AT_LARGE, role="names")
    lines += ["", "[[files]]", *(f"{key} = {json.dumps(value)}" for key, value in file.items())]
    path.write_text(text + _TABLE + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Look at all development scenes, fit, choose, print, and write."""
    started = time.monotonic()
    found = shipped()
    scenes = {name: list(_scenes(found.finder, found.see, name)) for name in SCENES}
    knowledge = Knowledge()
    texts = _read(knowledge.read, chain(*scenes.values()))
    unknown = _read(forgetting(knowledge.read), scenes[_UNKNOWN])
    pools = [drawings(Use.TRAINING, Names.SEEN), drawings(Use.DEVELOPMENT, Names.UNSEEN)]
    names = knowledge.read(sorted({pools[0].name(label) for label in pools[0].labels}))
    names = names.astype(np.float16).astype(np.float32)  # as they are kept
    known = [pairs(scenes[name], texts, names) for name in SCENES if name != _UNKNOWN]
    every = _together(*known, pairs(scenes[_UNKNOWN], unknown, names))
    look = _rounded(fitted(every, MOST, LEAST_OBJECTNESS, names))
    print({name: getattr(look, name) for name in _WEIGHTS}, f"{len(names)} names at large")
    shown = pictures(pools)
    by_picture = {
        name: [replace(each, lesson=by_exemplar(each.lesson, shown)) for each in scenes[name]]
        for name in _SHOWN
    }
    wanted = {prompt.text for each in chain(*by_picture.values()) for prompt in each.lesson.prompts}
    cutouts = {
        drawing.id: drawing.rgba
        for pool in pools
        for group in pool.groups.values()
        for drawing in group
        if drawing.id in wanted
    }
    drawn = dict(zip(cutouts, knowledge.see(cutouts), strict=True))
    groups = {name: (each, texts) for name, each in scenes.items()}
    groups[f"{_UNKNOWN}, read as never learned"] = (scenes[_UNKNOWN], unknown)
    groups |= {f"{name}, by a picture": (each, drawn) for name, each in by_picture.items()}
    answered = {
        way: {
            name: [asked(one, one.lesson, known, how) for one in each]
            for name, (each, known) in groups.items()
        }
        for way, how in (("one look", None), ("second look", look))
    }
    chosen = thresholds(answered["second look"])
    for way, sets in answered.items():
        _tell(way, sets, thresholds(sets))
    ship(look, chosen)
    places_looked_at = [len(each.chosen) for each in chain(*scenes.values())]
    print(f"{np.mean(places_looked_at):.1f} places a scene; took {time.monotonic() - started:.0f} s")


def _scenes(finder: Finder, see: See, name: str) -> Iterator[Looked]:
    for number in range(SCENES[name]):
        yield looked(finder, see, name, number)
        if number % 32 == 31:  # noqa: PLR2004  (a line now and then)
            print(f"{name}: {number + 1} of {SCENES[name]} scenes", flush=True)


def _read(
    read: Callable[[Sequence[str]], np.ndarray], scenes: Iterator[Looked] | Sequence[Looked]
) -> Vectors:
    names = sorted({prompt.text for each in scenes for prompt in each.lesson.prompts})
    return dict(zip(names, read(names), strict=True))


def _together(*parts: Pairs) -> Pairs:
    return Pairs(
        np.concatenate([each.logits for each in parts]),
        np.concatenate([each.crops for each in parts]),
        np.concatenate([each.near for each in parts]),
        np.concatenate([each.right for each in parts]),
    )


def _rounded(look: SecondLook) -> SecondLook:
    """Return the look as it is written, so that thresholds are those of what ships."""
    own, crop, shift, near = (round(float(getattr(look, name)), _DIGITS) for name in _WEIGHTS)
    return replace(look, own=own, crop=crop, shift=shift, near=near)


def _unfitted() -> SecondLook:
    return SecondLook(MOST, LEAST_OBJECTNESS, own=1.0, crop=0.0, shift=0.0)


def _tell(way: str, sets: Mapping[str, Sequence[Asked]], chosen: Mapping[PromptKind, float]) -> None:
    print(f"{way}: thresholds {', '.join(f'{kind} {value:.4f}' for kind, value in chosen.items())}")
    for name, scenes in sets.items():
        for kind in sorted({kind for each in scenes for kind in each.kinds}):
            each = measured(scenes, kind, chosen[kind])
            print(
                f"  {name} {kind}: AP50 pooled {each.precision:.3f}, best box {each.first:.3f}, "
                f"answered {each.present:.3f}, absent ones {each.fired:.3f}, n {each.prompts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
