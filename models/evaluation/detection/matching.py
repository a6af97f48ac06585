"""Which detections match which truth, by COCO's own code.

Prompts take the part of categories. A scene is judged for the prompts that it was asked, and for no other
name, as LVIS does where not everything is verified (Gupta et al., arXiv 1908.03195): its own and some absent
ones.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.evaluation.detection.answers import Asked, Truth, run_lengths

Shape = Literal["bbox", "segm"]
AREAS: Final = ("all", "small", "medium", "large")
"""COCO's: any, below 32 x 32, below 96 x 96 pixels, and above."""
IOUS: Final = np.linspace(0.5, 0.95, 10)
_MOST: Final = 100
"""Detections that count, for each prompt of a scene."""


@dataclass(frozen=True, eq=False)
class Matches:
    """Which detections match a truth, in the order of names and falling scores.

    Attributes:
        scenes: How many scenes there are.
        names: Texts of prompts.
        scene: Of each detection.
        name: Of each detection: a place in `names`.
        score: Of each detection.
        hit: Whether it matches a truth of this size at this IoU.
        ignored: Whether it counts neither for nor against: it matches a crowd or a truth of another size.
        truth_scene: Of each truth.
        truth_name: Of each truth.
        counted: Whether a truth counts at this size.
    """

    scenes: int
    names: tuple[str, ...]
    scene: Int[np.ndarray, "d"]
    name: Int[np.ndarray, "d"]
    score: Float[np.ndarray, "d"]
    hit: Bool[np.ndarray, "area iou d"]
    ignored: Bool[np.ndarray, "area iou d"]
    truth_scene: Int[np.ndarray, "g"]
    truth_name: Int[np.ndarray, "g"]
    counted: Bool[np.ndarray, "area g"]

    def truths(self, area: str = "all") -> int:
        """Return how many truths count at a size."""
        return int(np.count_nonzero(self.counted[AREAS.index(area)]))

    def pooled(self) -> Matches:
        """Return the same as if all prompts were one."""
        order = np.argsort(-self.score, kind="stable")
        return Matches(
            self.scenes,
            ("",),
            self.scene[order],
            np.zeros_like(self.name),
            self.score[order],
            self.hit[:, :, order],
            self.ignored[:, :, order],
            self.truth_scene,
            np.zeros_like(self.truth_name),
            self.counted,
        )


def match(asked: Sequence[Asked], shape: Shape, *, sizes: bool = True) -> Matches:
    """Match the detections of each prompt of each scene with what answers it, by COCO's own code.

    Args:
        asked: The scenes.
        shape: What has to overlap.
        sizes: Whether small, medium and large things are judged apart as well: four times the work.
    """
    areas = AREAS if sizes else AREAS[:1]
    pairs = [
        (scene, prompt)
        for scene, each in enumerate(asked)
        for prompt in sorted(each.verified & (set(each.answers.prompts.tolist()) | set(each.present())))
    ]
    texts = [asked[scene].prompts[prompt].text for scene, prompt in pairs]
    names = tuple(sorted(set(texts)))
    place = {name: number for number, name in enumerate(names)}
    found = _compared(asked, pairs, shape, len(areas))
    parts = [part for part in found if part]
    owners = [number for number, part in enumerate(found) if part]
    scene_of = np.array([scene for scene, _ in pairs], dtype=np.int64)
    name_of = np.array([place[text] for text in texts], dtype=np.int64)
    said = np.repeat(owners, [len(part[0]["dtScores"]) for part in parts]).astype(np.int64)
    true = np.repeat(owners, [len(part[0]["gtIgnore"]) for part in parts]).astype(np.int64)
    score = _joined(parts, 0, "dtScores")
    hit, ignored, spared = (
        np.stack([_joined(parts, area, key) for area in range(len(areas))]) > 0
        for key in ("dtMatches", "dtIgnore", "gtIgnore")
    )
    order = np.lexsort((-score, name_of[said]))
    return Matches(
        len(asked),
        names,
        scene_of[said][order],
        name_of[said][order],
        score[order],
        hit[:, :, order],
        ignored[:, :, order],
        scene_of[true],
        name_of[true],
        ~spared,
    )


def _compared(
    asked: Sequence[Asked], pairs: Sequence[tuple[int, int]], shape: Shape, areas: int
) -> list[list[dict[str, Any]]]:
    """Return what pycocotools made of each prompt of each scene, for each size.

    A prompt of a scene stands as a picture of its own with one category: the matching is the same, and
    nothing loops over the names that a scene was never asked.
    """
    number = {pair: place for place, pair in enumerate(pairs)}
    truths = [
        _annotation(each, truth, number[scene, prompt])
        for scene, each in enumerate(asked)
        for truth in each.truths
        for prompt in sorted(truth.answers & each.verified)
    ]
    said = [
        {**result, "image_id": number[scene, prompt]}
        for scene, each in enumerate(asked)
        for prompt, result in _results(each, shape)
        if prompt in each.verified
    ]
    pictures = [
        {"id": place, "width": asked[scene].width_px, "height": asked[scene].height_px}
        for place, (scene, _) in enumerate(pairs)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco(pictures, truths), _coco(pictures, said), shape)
        evaluation.params.maxDets = [_MOST]
        evaluation.params.areaRng = evaluation.params.areaRng[:areas]
        evaluation.evaluate()
    of_all = evaluation.evalImgs
    by_area = [of_all[start : start + len(pairs)] for start in range(0, len(of_all), max(1, len(pairs)))]
    return [[each for each in sizes if each is not None] for sizes in zip(*by_area, strict=True)]


def _coco(pictures: list[dict[str, int]], annotations: list[dict[str, Any]]) -> COCO:
    made = COCO()
    made.dataset = {
        "images": pictures,
        "categories": [{"id": 1, "name": "asked"}],
        "annotations": [{**each, "id": number} for number, each in enumerate(annotations, start=1)],
    }
    made.createIndex()
    return made


def _annotation(asked: Asked, truth: Truth, picture: int) -> dict[str, Any]:
    left, top, right, bottom = truth.box
    return {
        "image_id": picture,
        "category_id": 1,
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": run_lengths(truth.mask, asked.width_px, asked.height_px),
        "area": truth.area_px,
        "iscrowd": int(truth.crowd),
    }


def _results(asked: Asked, shape: Shape) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each detection with the prompt that it answers."""
    said = asked.answers
    lengths = [run_lengths(counts, asked.width_px, asked.height_px) for counts in said.masks]
    areas = coco.area(lengths) if shape == "segm" and lengths else []
    for prompt, score, box, mask in zip(said.prompts, said.scores, said.boxes, said.mask, strict=True):
        left, top, right, bottom = box.tolist()
        yield (
            int(prompt),
            {
                "category_id": 1,
                "bbox": [left, top, right - left, bottom - top],
                "segmentation": lengths[mask],
                "area": float(areas[mask]) if shape == "segm" else (right - left) * (bottom - top),
                "score": float(score),
                "iscrowd": 0,
            },
        )


def _joined(parts: Sequence[list[dict[str, Any]]], area: int, key: str) -> np.ndarray:
    nothing = np.zeros((len(IOUS), 0) if key in ("dtMatches", "dtIgnore") else 0)
    return np.concatenate([nothing, *(np.asarray(part[area][key]) for part in parts)], axis=-1)
