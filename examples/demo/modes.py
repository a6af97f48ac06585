"""The ways of teaching that are compared, and what came back from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from examples.demo.task import Picture
from fovea.client import Recognition, Region, Status

ANSWER_SIZE = 5
"""Labels asked for with each picture; top-5 needs as many."""


@dataclass(frozen=True)
class Mode:
    """What is taught: one picture a class, its name, or both. Each has a collection of its own."""

    key: str
    title: str
    pictures: bool
    names: bool


MODES = (
    Mode("pictures", "One picture a class", pictures=True, names=False),
    Mode("names", "Names alone", pictures=False, names=True),
    Mode("both", "Picture and name", pictures=True, names=True),
)


@dataclass(frozen=True)
class Answer:
    """What came back for one picture; `known` says whether its class was taught."""

    picture: Picture
    known: bool
    recognition: Recognition

    @property
    def region(self) -> Region | None:
        """The one region: the whole picture; None if the recognition failed."""
        return next(iter(self.recognition.regions), None)

    @property
    def labels(self) -> tuple[str, ...]:
        """The ranking, best first, also where the status is *unknown*."""
        return tuple(ranked.label for ranked in self.recognition.labels)

    @property
    def probability(self) -> float:
        """What the first label was given."""
        return self.recognition.labels[0].probability if self.recognition.labels else 0.0

    @property
    def flagged(self) -> bool:
        """Whether the answer is that nothing in the memory is like it."""
        return self.recognition.status is Status.UNKNOWN

    @property
    def right(self) -> bool:
        """Whether the class is known and stands first."""
        return self.known and self.labels[:1] == (self.picture.label,)


@dataclass(frozen=True)
class Guess:
    """What the pixel baseline says of one picture: labels, nearest first; how near the nearest is."""

    labels: tuple[str, ...]
    similarity: float


@dataclass(frozen=True)
class Round:
    """One mode, taught and asked.

    Attributes:
        mode: What was taught.
        answers: One for each query, those asked alone first; a failed one counts as wrong.
        guesses: The pixel baseline's for the same queries; empty where no picture was taught.
        exemplars: What the neighbours' ids stand for: a picture, or a name's text.
        classes: How many were taught.
        teach_s: Wall time of teaching all.
        stream_s: Wall time of the pictures asked in one stream.
        alone_s: How long the caller waited for each picture that was asked alone, before the stream.
    """

    mode: Mode
    answers: tuple[Answer, ...]
    guesses: tuple[Guess, ...]
    exemplars: Mapping[str, Picture | str]
    classes: int
    teach_s: float
    stream_s: float
    alone_s: tuple[float, ...] = ()

    @property
    def streamed(self) -> int:
        """How many pictures were asked in the stream."""
        return len(self.answers) - len(self.alone_s)
