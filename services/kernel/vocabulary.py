"""The words that every service speaks, as frozen values."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

# said again here, since whoever speaks of regions needs both
from services.kernel.geometry import Box as Box  # noqa: PLC0414
from services.kernel.geometry import Mask as Mask  # noqa: PLC0414
from services.kernel.geometry import Point as Point  # noqa: PLC0414
from services.kernel.geometry import Polygon as Polygon  # noqa: PLC0414

Shape = Box | Polygon | Mask

VISUAL_SPACE = "visual"
NAME_SPACE = "name"


class CollectionKey(NamedTuple):
    """Names a memory: one tenant's exemplars for one task."""

    tenant: str
    collection: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.collection}"


@dataclass(frozen=True)
class ImageReference:
    """A stored image: SHA-256 `digest` in hexadecimal, `key` in the object store."""

    digest: str
    key: str
    media_type: str
    size_bytes: int
    width_px: int
    height_px: int


class RegionOrigin(enum.Enum):
    """Who proposed a region."""

    WHOLE_IMAGE = "whole_image"
    CALLER = "caller"
    PROMPT = "prompt"


class MaskFormat(enum.Enum):
    """How masks come back to a caller; between steps they are run lengths."""

    RLE = "rle"
    POLYGONS = "polygons"


class FoundBy(NamedTuple):
    """What found a region: the prompt at this place among all, with a score that had to reach a threshold."""

    prompt: int
    score: float
    threshold: float


@dataclass(frozen=True)
class Region:
    """A part of an image that is recognised on its own; without a mask the whole box counts."""

    region_id: str
    box: Box
    origin: RegionOrigin
    mask: Mask | None = None
    found_by: FoundBy | None = field(default=None, repr=False)  # ids are derived from the rest


class PromptKind(enum.Enum):
    """What sort of text, or example, a prompt is."""

    NAME = "name"
    PHRASE = "phrase"
    SENTENCE = "sentence"
    EXEMPLAR = "exemplar"

    __hash__ = object.__hash__  # each is one object; Enum's own hash takes longer than all else of a prompt


@dataclass(frozen=True)
class ExemplarPicture:
    """The picture of an exemplar, and the part of it that shows the class; without a region all of it."""

    image: ImageReference
    region: Region | None = None


class Prompt(NamedTuple):
    """What to look for in an image; of an exemplar `text` is the id, and `picture` what it looks like."""

    kind: PromptKind
    text: str
    picture: ExemplarPicture | None = None


@dataclass(frozen=True)
class FindOptions:
    """How to look for prompts; None leaves it to the detector.

    Attributes:
        threshold: Least score of what counts as found.
        overlap: Intersection over union above which, of regions that different prompts found, only the best
            stays; None: all stay.
        tiles: Whether to look at the parts of the image as well; None: where the image is large.
        mask_format: How masks come back.
    """

    threshold: float | None = None
    overlap: float | None = None
    tiles: bool | None = None
    mask_format: MaskFormat = MaskFormat.RLE


@dataclass(frozen=True, eq=False)
class Embedding:
    """A unit vector; only vectors of one space are compared. `encoder` is `name@digest`."""

    vector: Float32[np.ndarray, "dim"]
    encoder: str
    space: str


@dataclass(frozen=True)
class RegionEmbeddings:
    """The embeddings of one region, at most one of each space."""

    region_id: str
    embeddings: tuple[Embedding, ...]


class ExemplarKind(enum.Enum):
    """What an exemplar shows its class by."""

    IMAGE = "image"
    NAME = "name"
    ATTRIBUTE = "attribute"


AttributeValue = str | float | bool


@dataclass(frozen=True)
class Exemplar:
    """One labelled entry of a memory, without its embeddings."""

    exemplar_id: str
    label: str
    kind: ExemplarKind
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    image: ImageReference | None = None
    region: Region | None = None
    text: str = ""


@dataclass(frozen=True)
class EncodedExemplar:
    """An exemplar as the memory keeps it."""

    exemplar: Exemplar
    embeddings: tuple[Embedding, ...]


@dataclass(frozen=True)
class Condition:
    """A test of one attribute. An exemplar without the attribute fails it.

    Either `one_of` is not empty, or the value is a number from `least` to `most`, both included.
    """

    attribute: str
    one_of: tuple[AttributeValue, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class SpaceVote:
    """How one space votes: a neighbour has weight * exp((similarity - reference) / temperature) votes."""

    space: str
    weight: float
    temperature: float
    reference: float


def voting_spaces(votes: Iterable[SpaceVote]) -> tuple[str, ...]:
    """Return the spaces that have a say, in the order of their votes."""
    return tuple(vote.space for vote in votes if vote.weight > 0)


@dataclass(frozen=True)
class RecognitionOptions:
    """What a caller may ask of one recognition; None takes the collection's value, then the shipped one.

    `calibrated_gates` is no caller's: it names the gates whose thresholds were chosen on the collection.
    """

    size: int | None = None
    shapes: tuple[Shape, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    filter: tuple[Condition, ...] = ()
    exclude_exemplar_ids: tuple[str, ...] = ()
    votes: tuple[SpaceVote, ...] = ()
    trust_threshold: float | None = None
    unknown_threshold: float | None = None
    level_threshold: float | None = None
    neighbours_per_label: int | None = None
    min_memory_version: str = ""
    find: FindOptions = FindOptions()
    calibrated_gates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """What one step did, for the record."""

    name: str
    version: str
    models: tuple[str, ...] = ()
    memory_version: str = ""
    duration_s: float = 0.0
    rungs: tuple[str, ...] = ()
    reading: str = ""


@dataclass(frozen=True)
class Envelope:
    """What travels with every event of a recognition. `accepted_at_s` is in seconds since the epoch."""

    collection: CollectionKey
    recognition_id: str
    image: ImageReference
    options: RecognitionOptions
    submission_id: str = ""
    stages: tuple[Stage, ...] = ()
    accepted_at_s: float = 0.0
    trace_id: str = ""

    def after(self, stage: Stage) -> Envelope:
        """Return the envelope with one more step in it."""
        return replace(self, stages=(*self.stages, stage))
