"""The detector that ships, run as the service runs it: two graphs of the store, and no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from models.evaluation.detection import twice as seen_twice
from models.evaluation.detection.answers import packed, truths_of, verified_of
from models.evaluation.detection.evidence import Evidence, Regions
from models.evaluation.detection.panoptic import UNLABELLED, Segment, fates
from models.evaluation.detection.semantic import VOID, NamedPixels, named_pixels
from models.evaluation.detection.twice import See, Twice
from models.evaluation.encoders import STORE, Model, trained
from models.files import digest
from models.segmentation import maps, outputs, pixels, prepared, second_look
from models.segmentation.maps import Kept
from models.segmentation.outputs import select
from models.segmentation.prepared import Square, draw, whole
from models.segmentation.samples import PromptKind, Sample
from models.segmentation.second_look import SecondLook

DETECTOR: Final = "fovea-detector"
NAMES_AT_LARGE: Final = "names.npy"
"""Beside its graph: see `models.segmentation.second_look`."""
SCORER: Final = "fovea-detector-text"
_BATCH: Final = 2560


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture after its image pass.

    Attributes:
        square: How the picture lies in what was read.
        outputs: Of the one picture, without their first axis.
        texts: What prompts are scored by.
    """

    square: Square
    outputs: Mapping[str, np.ndarray]
    texts: Float32[np.ndarray, "t dim"]


@runtime_checkable
class Graph(Protocol):
    """A model that was opened."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by name."""
        ...


Read = Callable[[Sequence[str]], Float32[np.ndarray, "n dim"]]
"""Encodes texts."""


class Finder:
    """Finds what prompts name.

    Args:
        images: The image pass: `images` and `sentences` to regions.
        scorer: `queries`, `offsets` and `texts` to `logits`.
        read: Encodes prompts.
        thresholds: Above which a prompt of each kind is answered.
        twice: Looks at crops as well where names are asked; None: nothing does.
    """

    def __init__(
        self,
        images: Graph,
        scorer: Graph,
        read: Read,
        thresholds: Mapping[PromptKind, float],
        *,
        twice: Twice | None = None,
    ) -> None:
        self.thresholds = thresholds
        self._twice = twice
        self._images = images
        self._scorer = scorer
        self._encode = read
        self._texts: dict[str, Float32[np.ndarray, "dim"]] = {}

    def read(self, texts: Sequence[str]) -> Float32[np.ndarray, "n dim"]:
        """Return the vectors of texts, each encoded once."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if missing:
            self._texts.update(zip(missing, self._encode(missing), strict=True))
        return np.stack([self._texts[text] for text in texts])

    def see(self, sample: Sample) -> Seen:
        """Run the image pass: without the names, with the phrases. Nothing is looked at twice yet."""
        height_px, width_px = sample.image.shape[:2]
        square = whole(width_px, height_px)
        texts = self.read([each.text for each in sample.prompts])
        named = is_named(sample)
        sentences = np.zeros((1, 1, texts.shape[1]), dtype=np.float32) if named else texts[None]
        found = self._images.run({"images": draw(sample.image, square)[None], "sentences": sentences})
        of_one = {name: values[0] for name, values in found.items()}
        return Seen(square, of_one, texts if named else of_one["texts"])

    def score(self, seen: Seen, texts: Float32[np.ndarray, "t dim"]) -> Float32[np.ndarray, "q t"]:
        """Return the logits of each region and text."""
        known = {"queries": seen.outputs["queries"][None], "offsets": seen.outputs["offsets"][None]}
        parts = [
            self._scorer.run({**known, "texts": texts[None, start : start + _BATCH]})["logits"][0]
            for start in range(0, len(texts), _BATCH)
        ]
        return np.concatenate(parts, axis=1)

    def find(
        self,
        sample: Sample,
        scene: int,
        *,
        vocabulary: Sequence[str] = (),
        stuff: Collection[str] | None = None,
    ) -> Evidence:
        """Return what is found in a scene.

        Args:
            sample: The scene.
            scene: Its number.
            vocabulary: Names that are asked for all at once besides the scene's own prompts.
            stuff: Names of stuff; every pixel is named as well then. None: no maps.
        """
        seen = self.see(sample)
        logits = unaided = self.score(seen, seen.texts) + seen.outputs["relations"]  # of names: nothing
        if self._twice is not None and is_named(sample):
            seen = replace(seen, outputs=self._twice(seen.square, seen.outputs, sample.image))
            logits = self.score(seen, seen.texts)
        boxes = seen.square.to_image(seen.outputs["boxes"].astype(np.float64))
        thresholds = np.array([self.thresholds[each.kind] for each in sample.prompts])
        named_stuff = [each.text in (stuff or ()) for each in sample.prompts]  # of which crops say nothing
        kept = _kept(seen, boxes, np.where(named_stuff, unaided, logits), thresholds * maps.COMPETING)
        everything = select(
            boxes, [self.score(seen, self.read(vocabulary))] if vocabulary else [], _zeros(vocabulary)
        )
        height_px, width_px = sample.image.shape[:2]
        named, segments = _maps(sample, scene, kept, stuff) if stuff is not None else ((), ())
        return Evidence(
            scene=scene,
            width_px=width_px,
            height_px=height_px,
            prompts=sample.prompts,
            truths=truths_of(sample),
            verified=verified_of(sample),
            regions=Regions(
                boxes,
                seen.outputs["objectness"],
                tuple(_masks(seen, boxes, (width_px, height_px))),
                logits,
                unaided,
                everything.prompts,
                everything.queries,
                everything.scores.astype(np.float64),
            ),
            pixels=tuple(named),
            segments=tuple(segments),
        )


@dataclass(frozen=True)
class Shipped:
    """The detector of a store.

    Attributes:
        finder: Runs it.
        see: Sees crops in the space of its prompts.
        eye: Digest of whoever sees crops.
        digest: Of the models, and of the code that reads what they say.
    """

    finder: Finder
    see: See
    eye: str
    digest: str


def shipped(store: Path = STORE) -> Shipped:
    """Return the detector that ships. Raises NoSuchModel if it or what it needs is not there."""
    images, scorer, encoder = Model(DETECTOR, store), Model(SCORER, store), trained(store)
    table = images.table("detection")
    calibrated = dict(table["thresholds"])
    twice = None
    if "second_look" in table:
        constants = dict(table["second_look"])
        calibrated |= constants.pop("thresholds")
        if constants.get("near"):
            constants["names"] = second_look.read_names(store / DETECTOR / "1" / NAMES_AT_LARGE)
        twice = Twice(SecondLook(**constants), encoder.see)
    read = (maps, outputs, pixels, prepared, second_look, seen_twice)
    sources = [Path(str(each.__file__)) for each in read] + [Path(__file__)]
    looked = repr(table.get("second_look"))
    if twice is not None:
        looked += hashlib.sha256(twice.look.names.tobytes()).hexdigest()
    parts = [images.digest, scorer.digest, encoder.digest, looked, *map(digest, sources)]
    thresholds = {kind: float(calibrated[kind]) for kind in PromptKind}
    return Shipped(
        Finder(images, scorer, encoder.read, thresholds, twice=twice),
        encoder.see,
        encoder.digest,
        hashlib.sha256(" ".join(parts).encode()).hexdigest(),
    )


def is_named(sample: Sample) -> bool:
    """Whether a scene is asked for names alone."""
    return all(each.kind is PromptKind.NAME for each in sample.prompts)


def truth_maps(
    sample: Sample,
) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "h w"], list[str]]:
    """Return the first prompt that each pixel's thing answers, the pixel's segment, and the segments' names.

    Things are segments one by one, stuff of one name is one segment; what answers nothing is not judged.
    """
    height_px, width_px = sample.image.shape[:2]
    prompt_of = np.full((height_px, width_px), VOID)
    segment_of = np.full((height_px, width_px), UNLABELLED)
    names: list[str] = []
    of_stuff: dict[str, int] = {}
    for thing in (each for each in sample.things if each.answers):
        prompt = min(thing.answers)
        name = sample.prompts[prompt].text
        if not thing.stuff or name not in of_stuff:
            names.append(name)
            number = len(names)
            if thing.stuff:
                of_stuff[name] = number
        else:
            number = of_stuff[name]
        inside = (thing.box.rows, thing.box.columns)
        prompt_of[inside] = np.where(thing.mask, prompt, prompt_of[inside])
        segment_of[inside] = np.where(thing.mask, number, segment_of[inside])
    return prompt_of, segment_of, names


def _zeros(names: Sequence[str]) -> Float[np.ndarray, "n"]:
    return np.zeros(len(names))


def _kept(
    seen: Seen,
    boxes: Float[np.ndarray, "q 4"],
    logits: Float32[np.ndarray, "q t"],
    thresholds: Float[np.ndarray, "t"],
) -> Kept:
    """Return the regions that maps are made of: those that answer a prompt surely enough."""
    places = np.unique(select(boxes, [logits], thresholds).queries)
    masks = pixels.mask_logits(seen.outputs["mask_queries"][places], seen.outputs["mask_features"])
    sure = outputs.reached(logits[places], thresholds)
    return Kept(sure, masks, boxes[places], (seen.square,) * len(places))


def _masks(seen: Seen, boxes: Float[np.ndarray, "q 4"], size: tuple[int, int]) -> list[bytes]:
    """Return the mask of each region in the size of the picture."""
    width_px, height_px = size
    logits = pixels.mask_logits(seen.outputs["mask_queries"], seen.outputs["mask_features"])
    found = []
    for own, box in zip(logits, boxes, strict=True):
        window = pixels.reach(box, seen.square, own.shape[-1])
        whole_mask: Bool[np.ndarray, "h w"] = np.zeros((height_px, width_px), np.bool_, order="F")
        whole_mask[window.rows, window.columns] = pixels.mask(own, seen.square, window)
        found.append(packed(whole_mask))
    return found


def _maps(
    sample: Sample, scene: int, kept: Kept, stuff: Collection[str]
) -> tuple[list[NamedPixels], list[Segment]]:
    height_px, width_px = sample.image.shape[:2]
    names = [each.text for each in sample.prompts]
    is_stuff = np.array([name in stuff for name in names])
    prompt_of, segment_of, segment_names = truth_maps(sample)
    semantic = maps.semantic(kept, width_px=width_px, height_px=height_px)
    panoptic = maps.panoptic(kept, is_stuff, width_px=width_px, height_px=height_px)
    said_names = [names[each.prompt] for each in panoptic.segments]
    segments = fates(scene, (segment_of, segment_names), (panoptic.ids.astype(np.int64), said_names))
    return named_pixels(scene, names, prompt_of, semantic.astype(np.int64)), segments
