"""Everything that is measured of the detector, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from models.data.cache import cache_folder
from models.evaluation.detection import figures, floors, naming
from models.evaluation.detection.evidence import Evidence
from models.evaluation.detection.figures import Covered, Group, Naming, Precision, Rejection
from models.evaluation.detection.finder import Shipped, shipped
from models.evaluation.detection.intervals import Estimate
from models.evaluation.detection.matching import match
from models.evaluation.detection.naming import Crops, Named
from models.evaluation.detection.passes import Asking, look
from models.evaluation.detection.phrases import ASPECTS, COLOUR, POSITION, SIZE, aspects
from models.evaluation.detection.precision import curve
from models.evaluation.detection.prompted import pointed
from models.evaluation.detection.rejection import ABSENCE, FULL, PRESENCE
from models.evaluation.encoders import STORE
from models.evaluation.folds import CannotTrain
from models.segmentation.outputs import sigmoid
from models.segmentation.samples import PromptKind
from models.segmentation.scenes import sets
from models.segmentation.scenes.sources import Names, Use, drawings
from models.segmentation.scenes.textures import TEXTURES

SCENES: Final = sets.EVALUATION_SCENES
SEEN: Final = "seen"
UNSEEN: Final = "unseen"
PHOTOS: Final = "photos"
REFERRING: Final = "referring"
STUFF: Final = "stuff"
TITLES: Final = {
    SEEN: "names trained on",
    UNSEEN: "names never trained on",
    PHOTOS: "photographs",
    REFERRING: "phrases",
    STUFF: "things on stuff",
}
STRANGERS: Final = 100
INTER_SCENES: Final = 100
NAMING_SCENES: Final = 100
_POOLS: Final = {SEEN: Names.SEEN, UNSEEN: Names.UNSEEN, PHOTOS: Names.PHOTOS}
_ATTRIBUTES: Final = frozenset((COLOUR, SIZE, POSITION))


@dataclass(frozen=True)
class Looks:
    """AP50 of boxes with one look, the detector's own, and with the second: over names, and pooled."""

    title: str
    one: Estimate
    one_pooled: Estimate
    both: Estimate
    both_pooled: Estimate


@dataclass(frozen=True)
class Everything:
    """AP50 over names when a scene is asked for its own and some absent names, and for all of the set."""

    title: str
    names: int
    own: Estimate
    all: Estimate


@dataclass(frozen=True)
class Pointing:
    """Prompts that one thing answers: how many best boxes are right, and the mean IoU of the best masks."""

    title: str
    right: Estimate
    mask: Estimate


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision over recall at IoU 0.5, pooled over prompts."""

    title: str
    recall: Float[np.ndarray, "n"]
    precision: Float[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Results:
    """What was measured; `left_out` says what was not, and why."""

    scenes: int
    precisions: tuple[Precision, ...]
    looks: tuple[Looks, ...]
    everything: tuple[Everything, ...]
    pointing: tuple[Pointing, ...]
    phrases: tuple[Pointing, ...]
    groups: tuple[tuple[str, tuple[Group, ...]], ...]
    rejections: tuple[Rejection, ...]
    covered: tuple[Covered, ...]
    naming: tuple[tuple[str, tuple[Naming, ...]], ...]
    foreground: Estimate
    activation: Estimate | None
    curves: tuple[Curve, ...]
    thresholds: Mapping[PromptKind, float]
    seen: dict[str, list[Evidence]]
    left_out: tuple[str, ...]


class Suite:
    """Looks at the evaluation sets, and counts.

    Args:
        scenes: How many of each set, the first.
        store: Where the detector is.

    Raises:
        NoSuchModel: If no detector is in the store.
    """

    def __init__(self, scenes: int = SCENES, store: Path = STORE) -> None:
        self._cache = cache_folder().parent / "detection"
        self._scenes = scenes
        self._shipped: Shipped = shipped(store)
        self._seen = {name: self._look(name) for name in TITLES}
        self._asked = {name: [each.asked() for each in seen] for name, seen in self._seen.items()}
        self._boxes = {name: match(asked, "bbox") for name, asked in self._asked.items()}
        self._left_out: list[str] = []

    def run(self) -> Results:
        """Measure everything."""
        return Results(
            scenes=self._scenes,
            precisions=tuple(self._precision(name, shape) for name in _POOLS for shape in ("bbox", "segm")),
            looks=tuple(self._both(name) for name in (*_POOLS, STUFF)),
            everything=tuple(self._everything(name) for name in _POOLS),
            pointing=tuple(self._pointing(name) for name in _POOLS),
            phrases=tuple(self._phrases()),
            groups=tuple(self._groups()),
            rejections=tuple(self._rejections()),
            covered=tuple(self._covered()),
            naming=tuple((TITLES[name], tuple(self._naming(name))) for name in (SEEN, UNSEEN, PHOTOS)),
            foreground=floors.everything(self._asked[SEEN]),
            activation=self._activation(),
            curves=tuple(Curve(TITLES[name], *curve(self._boxes[name])) for name in (*_POOLS, REFERRING)),
            thresholds=self._shipped.finder.thresholds,
            seen=self._seen,
            left_out=tuple(self._left_out),
        )

    def _look(self, name: str, *, strangers: int = 0) -> list[Evidence]:
        vocabulary: tuple[str, ...] = ()
        if name in _POOLS:
            vocabulary = _vocabulary(name)
        count = min(INTER_SCENES, self._scenes) if strangers else self._scenes
        stuff = frozenset(TEXTURES) if name == STUFF else None
        return look(self._shipped, Asking(name, count, strangers, vocabulary, stuff), self._cache)

    def _precision(self, name: str, shape: str) -> Precision:
        if shape == "bbox":
            return figures.precision(TITLES[name], self._boxes[name], "bbox")
        return figures.precision(TITLES[name], match(self._asked[name], "segm"), "segm")

    def _both(self, name: str) -> Looks:
        alone = match([each.asked(unaided=True) for each in self._seen[name]], "bbox", sizes=False)
        every = (alone, alone.pooled(), self._boxes[name], self._boxes[name].pooled())
        return Looks(TITLES[name], *map(figures.average50, every))

    def _everything(self, name: str) -> Everything:
        vocabulary = _vocabulary(name)
        every = figures.ap50([each.asked_everything(vocabulary) for each in self._seen[name]])
        return Everything(TITLES[name], len(vocabulary), figures.average50(self._boxes[name]), every)

    def _pointing(self, name: str) -> Pointing:
        return Pointing(TITLES[name], *figures.pointing(pointed(self._asked[name]), self._scenes))

    def _phrases(self) -> list[Pointing]:
        found = pointed(self._asked[REFERRING])
        told = [each for each in found if aspects(each.text) & _ATTRIBUTES]
        rows = [("with colour, size or position", told)]
        rows += [
            (f"with {aspect}", [each for each in found if aspect in aspects(each.text)]) for aspect in ASPECTS
        ]
        rows += [("by name alone", [each for each in found if not aspects(each.text)])]
        rows += [
            (f"{kind}s of any of these", [each for each in found if each.kind is kind])
            for kind in (PromptKind.PHRASE, PromptKind.SENTENCE)
        ]
        return [Pointing(title, *figures.pointing(chosen, self._scenes)) for title, chosen in rows if chosen]

    def _groups(self) -> list[tuple[str, tuple[Group, ...]]]:
        own = self._asked[REFERRING]
        inter = [each.asked() for each in self._look(REFERRING, strangers=STRANGERS)]
        names = (FULL, PRESENCE, ABSENCE)
        return [
            (f"intra: own prompts, {len(own)} scenes", tuple(figures.groups(own, names))),
            (f"intra: own prompts, {len(inter)} scenes", tuple(figures.groups(own[: len(inter)], names))),
            (f"inter: and {STRANGERS} of other scenes, the same", tuple(figures.groups(inter, names))),
        ]

    def _rejections(self) -> list[Rejection]:
        return [
            figures.rejection(TITLES[name], asked, kind, self._shipped.finder.thresholds[kind])
            for name, asked in self._asked.items()
            for kind in figures.kinds(asked)
        ]

    def _covered(self) -> list[Covered]:
        seen = self._seen[STUFF]
        every = {each.name for one in seen for each in one.pixels}
        stuff = every & set(TEXTURES)
        return [
            figures.covered(title, seen, names)
            for title, names in (("stuff", stuff), ("things", every - stuff), ("all", every))
        ]

    def _naming(self, name: str) -> list[Naming]:
        seen_before = self._cache / f"crops-{self._shipped.eye[:32]}"
        crops = Crops(self._shipped.see, self._shipped.finder.read, seen_before)
        ways: dict[str, list[Named]] = {title: [] for title in _WAYS}
        for each in self._seen[name][:NAMING_SCENES]:
            image = sets.evaluation(name, each.scene).image
            own = naming.own_regions(each)
            texts = [prompt.text for prompt in each.prompts]
            for title, boxes, scores in zip(
                _WAYS,
                (naming.true_boxes(each),) * 2 + (each.regions.boxes[own],) * 2,
                (
                    crops.scores(image, naming.true_boxes(each), texts),
                    naming.by_regions_on_true_boxes(each),
                    crops.scores(image, each.regions.boxes[own], texts),
                    sigmoid(each.regions.unaided[own]).astype(np.float64),
                ),
                strict=True,
            ):
                ways[title].append(naming.named(each, boxes, scores))
        return [figures.naming(title, found) for title, found in ways.items()]

    def _activation(self) -> Estimate | None:
        try:
            return floors.activation(SEEN, self._cache)
        except CannotTrain as error:
            self._left_out.append(f"Left out: class-activation maps ({error}).")
            return None


_WAYS: Final = (
    "true box, fovea-global sees each crop",
    "true box, the detector's region on it",
    "own box, fovea-global sees each crop",
    "own box, the detector's region",
)


def _vocabulary(name: str) -> tuple[str, ...]:
    """Return all names of a set, each once."""
    pool = drawings(Use.EVALUATION, _POOLS[name])
    return tuple(dict.fromkeys(pool.name(label) for label in pool.labels))
