"""Detectors and maskers that were imported, behind the ports of our own detector.

OWLv2 reads each text by itself: it is asked as our own detector is. GroundingDINO reads all texts together
with the picture, so every prompt, a name too, is asked as a phrase is; a text's vector is then its tokens,
and what is seen holds one column for each text. Neither makes masks; SAM and SAM 2 make them from boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from models.segmentation.imported.joint import JointBoxes
from models.segmentation.imported.masks import BoxMasks, MaskModels
from models.segmentation.imported.separate import SeparateTexts, logits
from models.segmentation.imported.texts import JointReader, PromptTooLongError, SeparateReader
from models.segmentation.imported.texts import UnreadablePromptError as Unreadable
from services.kernel.errors import InvalidInput, Unsupported
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import PromptKind
from services.runtime.model_execution.folder import Description, ModelFolder
from services.runtime.model_execution.opening import OpenedModels, Wanted
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.tables import Texts
from services.segmentation.domain.seen import Seen

_SHOWN: Final = 40
"""Characters of a prompt that an error repeats."""


@dataclass(frozen=True)
class ImportedDetection:
    """How things are found with a detector that was imported.

    Attributes:
        detector: The model that sees.
        reader: The model that reads texts; the detector itself where it reads them together.
        folder: Of `reader`, which has the tokenizer.
        side_px: Of the squares that are seen.
        thresholds: The score above which something counts as found: as published, not calibrated here.
    """

    detector: str
    reader: str
    folder: ModelFolder
    side_px: int
    thresholds: Mapping[PromptKind, float]

    @property
    def joint(self) -> bool:
        """Whether all prompts of a request are read together, whatever their kind."""
        return self.reader == self.detector

    @property
    def wanted(self) -> Wanted:
        """Which models take part; their descriptions and tokenizers are read here, so they must be those."""
        names = frozenset({self.detector, self.reader})
        return Wanted(names, names)


def imported_detection(name: str, opened: OpenedModels) -> ImportedDetection:
    """Return how things are found with the detector of this name.

    Raises:
        NotFound: It, or the model that reads texts for it, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It finds nothing by texts.
    """
    described = opened(name).description
    asked = described.finding
    if asked is None or asked.by == "boxes":
        raise Unsupported(f"{name} finds nothing by texts; its model.toml says by what", reason="MODEL_KIND")
    reader = asked.partner or name
    return ImportedDetection(
        name,
        reader,
        opened(reader),
        side_px=_side(described),
        thresholds=dict.fromkeys(PromptKind, asked.threshold),
    )


def imported_masks(name: str, opened: OpenedModels) -> tuple[MaskModels, Wanted]:
    """Return how masks are made of boxes with the model of this name, and which models take part.

    Raises:
        NotFound: It, or the model that draws for it, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It makes no masks of boxes.
    """
    described = opened(name).description
    asked = described.finding
    if asked is None or asked.by != "boxes":
        raise Unsupported(f"{name} makes no masks of boxes", reason="MODEL_KIND")
    sized = any(each.name == "sizes" for each in described.inputs)
    names = frozenset({name, asked.partner})
    opened(asked.partner)
    return MaskModels(name, asked.partner, _side(described), asked.fit, sized), Wanted(names, names)


class ImportedDetector:
    """Sends squares to one model.

    Args:
        models: Runs it.
        detection: How it is asked.
    """

    def __init__(self, models: ModelExecution, detection: ImportedDetection) -> None:
        self._models = models
        self._detection = detection
        self._joint = None
        if detection.joint:
            self._joint = JointBoxes(models, detection.detector, _joint_reader(detection))

    def models(self) -> tuple[str, ...]:
        """Return its identity."""
        return (self._models.identity(self._detection.detector),)

    def side_px(self) -> int:
        """Return the side of a square."""
        return self._detection.side_px

    def thresholds(self) -> Mapping[PromptKind, float]:
        """Return what its publishers use."""
        return self._detection.thresholds

    def fused(self) -> frozenset[PromptKind]:
        """Return all kinds, if all texts are read together with the picture, else none."""
        return frozenset(PromptKind) if self._detection.joint else frozenset()

    def look(
        self,
        squares: UInt8[np.ndarray, "n side side 3"],
        sentences: Float32[np.ndarray, "m dim"] | None = None,
    ) -> Seen:
        """Return what is in the squares. Raises Unsupported without texts, if it reads them together."""
        if self._joint is None:
            return self._seen(squares, sentences)
        if sentences is None:
            raise Unsupported(
                f"{self._detection.detector} sees nothing without texts", reason="TEXTS_MISSING"
            )
        places = self._joint.look(squares, sentences)
        n, count, prompts = places.logits.shape
        return Seen(
            queries=places.logits,
            offsets=np.zeros((n, count), dtype=np.float32),
            boxes=places.boxes,
            objectness=np.zeros((n, count), dtype=np.float32),
            mask_queries=_no_masks(n, count),
            mask_features=_no_features(n),
            texts=np.repeat(np.eye(prompts, dtype=np.float32)[np.newaxis], n, axis=0),
            relations=np.zeros(places.logits.shape, dtype=np.float32),
        )

    def score(
        self,
        queries: Float32[np.ndarray, "q dim"],
        offsets: Float32[np.ndarray, "q"],
        texts: Float32[np.ndarray, "t dim"],
    ) -> Float32[np.ndarray, "q t"]:
        """Return the logits."""
        return logits(queries, offsets, texts)

    def _seen(
        self, squares: UInt8[np.ndarray, "n side side 3"], sentences: Float32[np.ndarray, "m dim"] | None
    ) -> Seen:
        reply = self._models.run(self._detection.detector, {"images": squares})
        n, count, dim = reply["queries"].shape
        texts = np.zeros((1, dim), dtype=np.float32) if sentences is None else sentences
        return Seen(
            queries=reply["queries"],
            offsets=reply["offsets"],
            boxes=reply["boxes"],
            objectness=np.zeros((n, count), dtype=np.float32),
            mask_queries=_no_masks(n, count),
            mask_features=_no_features(n),
            texts=np.repeat(texts[np.newaxis], n, axis=0),
            relations=np.zeros((n, count, len(texts)), dtype=np.float32),
        )


class ImportedTexts:
    """Reads prompts for a detector that was imported, and refuses what it would have to cut.

    Args:
        models: Runs the model that reads.
        detection: How it is asked.
    """

    def __init__(self, models: ModelExecution, detection: ImportedDetection) -> None:
        self._models = models
        self._detection = detection
        self._rows = self._reading()

    def models(self) -> tuple[str, ...]:
        """Return the identity of the model."""
        return (self._models.identity(self._detection.reader),)

    def space(self) -> str:
        """Return a space of the detector's own: its vectors are compared with nothing else."""
        return f"{self._detection.detector}.prompts"

    def name_templates(self) -> tuple[str, ...]:
        """Return none: names are read as they are."""
        return ()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return what the detector knows the texts by.

        Raises:
            InvalidInput: One is too long for it, or nothing of it can be read.
        """
        (encoder,) = self.models()
        try:
            rows = self._rows(texts)
        except Unreadable as error:
            text = texts[error.index]
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            reason = "TEXT_TOO_LONG" if isinstance(error, PromptTooLongError) else "TEXT_UNREADABLE"
            said = str(error).removeprefix(f"prompt {error.index} ")
            raise InvalidInput(f"the prompt {shown!r} {said}", field="prompts", reason=reason) from error
        return Vectors(rows, encoder=encoder, space=self.space())

    def _reading(self) -> Callable[[Sequence[str]], Float32[np.ndarray, "t dim"]]:
        detection = self._detection
        if detection.joint:
            return JointBoxes(self._models, detection.detector, _joint_reader(detection)).rows
        how = _texts_of(detection.folder)
        reader = SeparateReader(
            detection.folder.external("tokenizer"), max_tokens=how.max_tokens, pad_id=how.pad_id
        )
        return SeparateTexts(self._models, detection.reader, reader).rows


class ImportedMasks(BoxMasks):
    """Makes masks of boxes.

    Args:
        models: Runs the two models.
        asked: Which they are, and how they are asked.
    """

    def __init__(self, models: ModelExecution, asked: MaskModels) -> None:
        super().__init__(models, asked)
        self._identities = models.identity
        self._names = (asked.image, asked.masks)

    def models(self) -> tuple[str, ...]:
        """Return the identities of both."""
        return tuple(map(self._identities, self._names))


def _joint_reader(detection: ImportedDetection) -> JointReader:
    how = _texts_of(detection.folder)
    return JointReader(detection.folder.external("tokenizer"), max_tokens=how.max_tokens)


def _texts_of(folder: ModelFolder) -> Texts:
    if folder.description.texts is None:
        raise Unsupported(f"{folder.name} does not say how texts are read: no [texts]", reason="MODEL_KIND")
    return folder.description.texts


def _side(described: Description) -> int:
    images = next((each for each in described.inputs if each.name == "images"), None)
    if images is None:
        raise Unsupported(f"{described.name} sees no `images`", reason="MODEL_KIND")
    return images.shape[1]


def _no_masks(n: int, count: int) -> Float32[np.ndarray, "n q 0"]:
    return np.zeros((n, count, 0), dtype=np.float32)


def _no_features(n: int) -> Float32[np.ndarray, "n 0 1 1"]:
    return np.zeros((n, 0, 1, 1), dtype=np.float32)
