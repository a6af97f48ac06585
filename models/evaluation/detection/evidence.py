"""What a detector made of one scene, before any threshold: kept, because to look takes time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from models.evaluation.detection.answers import Answers, Asked, Truth
from models.evaluation.detection.panoptic import Segment
from models.evaluation.detection.semantic import NamedPixels
from models.segmentation.outputs import select
from models.segmentation.samples import Prompt, PromptKind

_STAND_IN = b""
"""The mask of an answer that was asked for its box alone."""


@dataclass(frozen=True, eq=False)
class Regions:
    """What the image pass found, and how each region answers each prompt.

    Attributes:
        boxes: Left, top, right, bottom in pixels of the picture.
        objectness: Logits of being a thing at all.
        masks: COCO's compressed run lengths.
        logits: Of each prompt.
        unaided: The same without a second look.
        names: Places in the vocabulary that the best regions answer where all of it is asked.
        owners: Their regions.
        scores: How surely.
    """

    boxes: Float[np.ndarray, "q 4"]
    objectness: Float32[np.ndarray, "q"]
    masks: tuple[bytes, ...]
    logits: Float32[np.ndarray, "q t"]
    unaided: Float32[np.ndarray, "q t"]
    names: Int[np.ndarray, "k"]
    owners: Int[np.ndarray, "k"]
    scores: Float[np.ndarray, "k"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One scene as it was seen.

    Attributes:
        scene: Its number.
        width_px: Of the picture.
        height_px: Of the picture.
        prompts: What was asked.
        truths: What is there.
        verified: The prompts that may be judged.
        regions: What was found.
        pixels: How its pixels were named; empty unless maps were asked for.
        segments: What became of its segments; likewise.
    """

    scene: int
    width_px: int
    height_px: int
    prompts: tuple[Prompt, ...]
    truths: tuple[Truth, ...]
    verified: frozenset[int]
    regions: Regions
    pixels: tuple[NamedPixels, ...] = ()
    segments: tuple[Segment, ...] = ()

    def asked(self, *, unaided: bool = False) -> Asked:
        """Return the scene with every answer, whatever its score, as the service selects them.

        Args:
            unaided: As it selects them without a second look.
        """
        logits = self.regions.unaided if unaided else self.regions.logits
        found = select(self.regions.boxes, [logits], np.zeros(len(self.prompts)))
        answers = Answers(
            found.prompts,
            found.scores.astype(np.float64),
            self.regions.boxes[found.queries],
            self.regions.masks,
            found.queries,
        )
        return self._asked(self.prompts, self.truths, self.verified, answers)

    def asked_everything(self, vocabulary: tuple[str, ...]) -> Asked:
        """Return the scene asked for all names at once; masks are not judged then."""
        place = {name: number for number, name in enumerate(vocabulary)}
        truths = tuple(
            Truth(
                each.box,
                each.mask,
                each.area_px,
                frozenset(place[self.prompts[prompt].text] for prompt in each.answers),
                each.stuff,
                each.crowd,
            )
            for each in self.truths
        )
        own = self.regions
        answers = Answers(
            own.names, own.scores, own.boxes[own.owners], (_STAND_IN,), np.zeros_like(own.names)
        )
        prompts = tuple(Prompt(PromptKind.NAME, name) for name in vocabulary)
        return self._asked(prompts, truths, frozenset(range(len(vocabulary))), answers)

    def _asked(
        self,
        prompts: tuple[Prompt, ...],
        truths: tuple[Truth, ...],
        verified: frozenset[int],
        answers: Answers,
    ) -> Asked:
        return Asked(self.width_px, self.height_px, prompts, truths, answers, verified)


class Kept:
    """Evidence in a folder, one file a scene; a file appears whole or not at all.

    Args:
        folder: Of one set, as one detector sees it: its name holds the digest of all that matters.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, scene: int) -> bool:
        return self._file(scene).is_file()

    def load(self, scene: int) -> Evidence:
        """Return what was kept of a scene."""
        with np.load(self._file(scene), allow_pickle=False) as found:
            return _unpacked(scene, dict(found))

    def save(self, evidence: Evidence) -> None:
        """Keep what was seen of a scene."""
        self._folder.mkdir(parents=True, exist_ok=True)
        half_written = self._folder / f"{evidence.scene}.{os.getpid()}.part"
        with half_written.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **_packed(evidence))
        half_written.rename(self._file(evidence.scene))

    def _file(self, scene: int) -> Path:
        return self._folder / f"{scene:04}.npz"


def _packed(evidence: Evidence) -> dict[str, np.ndarray]:
    regions = evidence.regions
    answers = np.zeros((len(evidence.truths), len(evidence.prompts)), dtype=np.bool_)
    for row, truth in enumerate(evidence.truths):
        answers[row, sorted(truth.answers)] = True
    return {
        "size": np.array([evidence.width_px, evidence.height_px]),
        "prompts": np.array([(each.kind.value, each.text) for each in evidence.prompts]).reshape(-1, 2),
        "verified": np.array(sorted(evidence.verified), dtype=np.int64),
        "truth_boxes": np.array([each.box for each in evidence.truths]).reshape(-1, 4),
        "truth_masks": np.array([each.mask for each in evidence.truths], dtype=np.bytes_),
        "truth_areas": np.array([each.area_px for each in evidence.truths], dtype=np.int64),
        "truth_answers": answers,
        "truth_flags": np.array([(each.stuff, each.crowd) for each in evidence.truths], dtype=np.bool_),
        "boxes": regions.boxes,
        "objectness": regions.objectness,
        "masks": np.array(regions.masks, dtype=np.bytes_),
        "logits": regions.logits,
        "unaided": regions.unaided,
        "names": regions.names,
        "owners": regions.owners,
        "scores": regions.scores,
        "pixel_names": np.array([each.name for each in evidence.pixels], dtype=np.str_),
        "pixels": np.array([(p.true, p.said, p.both) for p in evidence.pixels], dtype=np.int64),
        "segment_names": np.array([each.name for each in evidence.segments], dtype=np.str_),
        "segments": np.array([(each.iou, each.said) for each in evidence.segments], dtype=np.float64),
    }


def _unpacked(scene: int, found: dict[str, np.ndarray]) -> Evidence:
    width_px, height_px = found["size"].tolist()
    return Evidence(
        scene=scene,
        width_px=width_px,
        height_px=height_px,
        prompts=tuple(Prompt(PromptKind(kind), text) for kind, text in found["prompts"].tolist()),
        truths=_truths(found),
        verified=frozenset(found["verified"].tolist()),
        regions=Regions(
            found["boxes"],
            found["objectness"],
            tuple(found["masks"].tolist()),
            found["logits"],
            found["unaided"],
            found["names"],
            found["owners"],
            found["scores"],
        ),
        pixels=tuple(
            NamedPixels(scene, name, *counts)
            for name, counts in zip(found["pixel_names"].tolist(), found["pixels"].tolist(), strict=True)
        ),
        segments=tuple(
            Segment(scene, name, iou, bool(said))
            for name, (iou, said) in zip(
                found["segment_names"].tolist(), found["segments"].tolist(), strict=True
            )
        ),
    )


def _truths(found: dict[str, np.ndarray]) -> tuple[Truth, ...]:
    answers: Bool[np.ndarray, "m t"] = found["truth_answers"]
    return tuple(
        Truth(tuple(box), mask, area_px, frozenset(np.flatnonzero(row).tolist()), *flags)
        for box, mask, area_px, row, flags in zip(
            found["truth_boxes"].tolist(),
            found["truth_masks"].tolist(),
            found["truth_areas"].tolist(),
            answers,
            found["truth_flags"].tolist(),
            strict=True,
        )
    )
