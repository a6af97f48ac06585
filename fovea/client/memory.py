"""What is taught, kept and forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fovea.client.calibration import Calibration
from fovea.client.errors import FoveaError
from fovea.client.options import AttributeValue, ImageSource, SpaceVote
from fovea.client.results import ImageInfo
from fovea.client.shapes import Box, Shape

if TYPE_CHECKING:
    from fovea.kernel.v1 import exemplar_pb2


@dataclass(frozen=True)
class Lesson:
    """One thing to teach: a label, and a picture, a name or an attribute that shows it.

    >>> Lesson("goldfinch", image="goldfinch.jpg", region=(10, 20, 200, 220))
    >>> Lesson("goldfinch", name="European goldfinch")
    >>> Lesson("goldfinch", attribute="red face, yellow wing bar")

    Attributes:
        label: The class.
        image: The path of a file, or encoded bytes.
        name: A name of the class; without image, name and attribute the label itself is taught as the name.
        attribute: Something one sees on the class, in words.
        region: The part of the picture that shows the class; None: all of it.
        attributes: Values to filter by later: `{"continent": "Africa", "length_cm": 12.5}`.
        exemplar_id: Empty: derived from label, content and region, so that teaching twice is teaching once.
    """

    label: str
    image: ImageSource | None = None
    name: str | None = None
    attribute: str | None = None
    region: Shape | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    exemplar_id: str = ""


@dataclass(frozen=True)
class Taught:
    """That one lesson is durable; or why it was not learnt.

    Attributes:
        lesson: What was to be taught.
        exemplar_id: Its id; `Client.forget` takes it.
        memory_version: A version of the memory that holds it.
        failure: Why it was not learnt; None if it was.
    """

    lesson: Lesson
    exemplar_id: str = ""
    memory_version: str = ""
    failure: FoveaError | None = None

    @property
    def failed(self) -> bool:
        """Whether it was not learnt."""
        return self.failure is not None


@dataclass(frozen=True)
class VectorColumn:
    """Who made the vectors of a table that Fovea did not write.

    Attributes:
        space: `visual` for pictures, `name` for texts.
        encoder: `name@digest` of a model that the server runs; an import by another names those that it does.
        column: Where the vectors are. They may have any length but 0: they are normalised.
    """

    space: str
    encoder: str
    column: str = "vector"


@dataclass(frozen=True)
class Imported:
    """That one row of a file is durable; or why it was not taken.

    Attributes:
        row: Its number; the first is 1.
        exemplar_id: `Client.forget` takes it.
        memory_version: A version of the memory that holds it.
        failure: Why it was not taken; its `field` is the column.
    """

    row: int
    exemplar_id: str = ""
    memory_version: str = ""
    failure: FoveaError | None = None


@dataclass(frozen=True)
class Exemplar:
    """One labelled entry of a memory.

    Attributes:
        exemplar_id: `Client.forget` takes it.
        label: The class.
        kind: `image`, `name` or `attribute`.
        attributes: Values to filter by.
        image: The picture, of an image exemplar.
        box: The part of the picture that shows the class; None if that is all of it.
        text: What was encoded, of a name or an attribute.
        embeddings: In `Client.export` only.
        raw: The protobuf message `fovea.kernel.v1.Exemplar`.
    """

    exemplar_id: str
    label: str
    kind: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    image: ImageInfo | None = None
    box: Box | None = None
    text: str = ""
    embeddings: tuple[Embedding, ...] = ()
    raw: exemplar_pb2.Exemplar | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Embedding:
    """A vector of unit length; only vectors of one space are compared. `encoder` is `name@digest`."""

    space: str
    encoder: str
    vector: tuple[float, ...] = field(repr=False)


@dataclass(frozen=True)
class LabelCount:
    """How many exemplars a label has."""

    label: str
    exemplars: int


@dataclass(frozen=True)
class Forgotten:
    """How many exemplars were forgotten, and a memory version without them."""

    count: int
    memory_version: str


@dataclass(frozen=True)
class Retention:
    """How long pictures are kept: for ever, for some days, or until their work is done (`none`)."""

    policy: Literal["keep", "days", "none"] = "keep"
    days: int = 0


@dataclass(frozen=True)
class Collection:
    """One memory's settings; None takes the shipped value.

    Attributes:
        name: Letters, digits, `.`, `_`, `-`.
        description: For people.
        retention: How long its pictures are kept.
        trust_threshold: Margin of retrieval from which no model is asked.
        unknown_threshold: Probability of *unknown* above which the answer is `unknown`.
        votes: Replaces the shipped votes of the spaces it names.
        level_threshold: Probability that a label needs to be answered; below it, what it is a kind of is.
        neighbours_per_label: How many exemplars may vote for one label, the strongest; None: all.
        hierarchy: What each label is a kind of: `{"goldfinch": "finch", "finch": ""}`. Every parent has an
            entry of its own, with an empty parent at the top. Missing in `Client.list_collections`.
        tenant: Whose it is; empty: the client's.
        calibration: Thresholds that were chosen on it; one that is set above wins. Only
            `Client.calibrate_collection` changes it.
    """

    name: str
    description: str = ""
    retention: Retention = Retention()
    trust_threshold: float | None = None
    unknown_threshold: float | None = None
    votes: Sequence[SpaceVote] = ()
    level_threshold: float | None = None
    neighbours_per_label: int | None = None
    hierarchy: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    calibration: Calibration | None = None
