"""What the client gives back: frozen values with the protobuf message behind them in `raw`."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from fovea.client.errors import FoveaError
from fovea.client.judgements import Judgement, RankedLabel
from fovea.client.options import Prompt, SpaceVote
from fovea.client.shapes import Box, Corners, Mask

if TYPE_CHECKING:
    from fovea.kernel.v1 import recognition_pb2


class Status(enum.StrEnum):
    """How an answer came about."""

    RANKED = "ranked"
    """A model ordered the candidates."""
    TRUSTED_RETRIEVAL = "trusted_retrieval"
    """Retrieval was so sure that no model was asked."""
    DEGRADED = "degraded"
    """Something was not to be had; `Region.rung` says what was done instead."""
    UNKNOWN = "unknown"
    """Nothing in the memory is like it."""
    NOTHING_FOUND = "nothing_found"
    """Prompts found nothing in the picture, so there is nothing to name."""
    FAILED = "failed"
    """There is no answer; `Recognition.failure` says why."""


class BroaderLabel(NamedTuple):
    """What is answered in place of the first label, which is a kind of it, `steps` below."""

    label: str
    probability: float
    steps: int


class Ancestor(NamedTuple):
    """What a label is a kind of; `score` is the share of the votes for it and for all kinds of it."""

    label: str
    score: float


@dataclass(frozen=True)
class Neighbour:
    """An exemplar that voted.

    Attributes:
        exemplar_id: Which one.
        kind: `image`, `name` or `attribute`.
        space: The space in which it was compared.
        similarity: Cosine to the query, in [-1, 1].
        share: Its part of all votes, the pseudo-vote of *unknown* included.
        image_key: Object store key of its picture; empty for texts.
        box: The part of its picture that shows the class; None: all of it.
    """

    exemplar_id: str
    kind: str
    space: str
    similarity: float
    share: float
    image_key: str = ""
    box: Box | None = None


@dataclass(frozen=True)
class Candidate:
    """A label that retrieval proposed, with the exemplars that voted for it, nearest first.

    `ancestors` are what it is a kind of, the parent first, if the collection has a hierarchy; `descriptions`
    are what was taught about how it looks.
    """

    label: str
    score: float
    neighbours: tuple[Neighbour, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    descriptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """A decision that one number took; `open` if the value is on the far side of the threshold."""

    name: str
    value: float
    threshold: float
    open: bool
    calibrated: bool


@dataclass(frozen=True)
class FoundBy:
    """What found a region.

    Attributes:
        prompt: What was looked for.
        score: The probability that the region is that; scores of prompts do not sum to 1.
        threshold: What the score had to reach.
    """

    prompt: Prompt
    score: float
    threshold: float


@dataclass(frozen=True)
class Region:
    """What was found in one part of the picture, and why.

    Attributes:
        region_id: Unique within the picture; `Client.correct` takes it.
        box: In pixels of the picture as people see it.
        labels: The ranking, best first. Its probabilities and `probability_unknown` sum to 1.
        probability_unknown: That it is nothing the collection knows.
        status: How the answer came about.
        rung: What was left out, such as `no_ranker` if the status is `degraded`.
        candidates: What retrieval proposed, each with the neighbours that voted.
        margin: Score of the first candidate less that of the second.
        entropy: Of the scores of all labels seen, in nats.
        gates: The decisions that single numbers took.
        votes: How each space voted.
        broader: What is answered where the first label is not likely enough; None where it is.
        origin: `whole_image`, `caller` or `prompt`.
        mask: Absent where the whole box counts, and where there are polygons.
        polygons: The mask as COCO's polygons, if `Find.mask_format` asked for them: the (x, y) of each part,
            the largest first; a hole is reached by a slit of no width. Each may be sent as a region.
        found_by: The prompt that found it, with its score; None where no prompt did.
        judgement: What models said of the candidates; None where none was asked, or none answered.
    """

    region_id: str
    box: Box
    labels: tuple[RankedLabel, ...]
    probability_unknown: float
    status: Status
    rung: str = ""
    candidates: tuple[Candidate, ...] = ()
    margin: float = 0.0
    entropy: float = 0.0
    gates: tuple[Gate, ...] = ()
    votes: tuple[SpaceVote, ...] = ()
    broader: BroaderLabel | None = None
    origin: str = ""
    mask: Mask | None = None
    polygons: tuple[Corners, ...] = ()
    found_by: FoundBy | None = None
    judgement: Judgement | None = None

    @property
    def best(self) -> str | None:
        """The answer: the first label or what it is a kind of; None where that is *unknown*."""
        return None if self._answer is None else self._answer.label

    @property
    def probability(self) -> float:
        """The probability of the answer, *unknown* included."""
        return self.probability_unknown if self._answer is None else self._answer.probability

    @property
    def _answer(self) -> RankedLabel | BroaderLabel | None:
        if self.status is Status.UNKNOWN or not self.labels:
            return None
        return self.broader or self.labels[0]


@dataclass(frozen=True)
class Stage:
    """What one step of the platform did: its version, models, time and what was degraded."""

    name: str
    version: str
    models: tuple[str, ...] = ()
    memory_version: str = ""
    duration_s: float = 0.0
    rungs: tuple[str, ...] = ()
    reading: str = ""


@dataclass(frozen=True)
class ImageInfo:
    """A stored picture: SHA-256 of its bytes, where it stands, what it is, its size."""

    digest: str
    key: str
    media_type: str
    size_bytes: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Recognition:
    """The record of one picture: the answer, and all that explains it.

    `best`, `labels`, `status` and `probability_unknown` speak of the first region, which is the whole
    picture unless regions or prompts were asked for; `regions` has them all.

    Attributes:
        recognition_id: `Client.recognition` and `Client.correct` take it.
        regions: One for each region asked for, or one for each thing that prompts found, the surest first;
            none if they found nothing.
        failure: Why there is no answer; None if there is one.
        source: The path that was given, if it was a path.
        image: The stored picture.
        prompts: What was looked for.
        stages: What each step did, with versions, models and times.
        accepted_at: When the picture came in.
        ended_at: When the record was complete.
        submission_id: The batch, if it came with `submit`.
        tenant: Whose it is.
        collection: The memory that was asked.
        resume_token: In `watch`: where to go on after this record.
        raw: The protobuf message `fovea.kernel.v1.Recognition`.
    """

    recognition_id: str
    regions: tuple[Region, ...] = ()
    failure: FoveaError | None = None
    source: str = ""
    image: ImageInfo | None = None
    stages: tuple[Stage, ...] = ()
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    submission_id: str = ""
    tenant: str = ""
    collection: str = ""
    resume_token: str = ""
    prompts: tuple[Prompt, ...] = ()
    raw: recognition_pb2.Recognition | None = field(default=None, repr=False, compare=False)

    @property
    def failed(self) -> bool:
        """Whether it ended without an answer."""
        return self.failure is not None

    @property
    def best(self) -> str | None:
        """The answer for the first region; None if that is *unknown* or the recognition failed."""
        return self.regions[0].best if self.regions else None

    @property
    def labels(self) -> tuple[RankedLabel, ...]:
        """The ranking of the first region, best first."""
        return self.regions[0].labels if self.regions else ()

    @property
    def status(self) -> Status:
        """How the answer for the first region came about."""
        if self.regions:
            return self.regions[0].status
        return Status.FAILED if self.failed or not self.prompts else Status.NOTHING_FOUND

    @property
    def probability_unknown(self) -> float:
        """The probability that the first region shows nothing the collection knows."""
        return self.regions[0].probability_unknown if self.regions else 1.0


@dataclass(frozen=True)
class Receipt:
    """That one submitted picture is durable and will end as exactly one record; or why it was not taken."""

    recognition_id: str
    submission_id: str
    source: str = ""
    accepted_at: datetime | None = None
    failure: FoveaError | None = None

    @property
    def failed(self) -> bool:
        """Whether the picture was not taken."""
        return self.failure is not None


@dataclass(frozen=True)
class Submission:
    """How far a batch is: pictures taken, and how many of them ended with and without an answer."""

    submission_id: str
    accepted: int
    completed: int
    failed: int

    @property
    def pending(self) -> int:
        """Pictures whose record is still to come."""
        return max(0, self.accepted - self.completed - self.failed)
