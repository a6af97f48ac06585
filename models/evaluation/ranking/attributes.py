"""What descriptions of candidates are worth, each way in which they can take part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float

from models.attributes.packaged import MissingPackageError
from models.attributes.sets import from_keywords, from_package
from models.data.manifest import Manifest
from models.evaluation.emoji import VOTES
from models.evaluation.encoders import NAMES
from models.evaluation.metrics import Share, share
from models.evaluation.ranking.asking import Shipped
from models.evaluation.ranking.evidence import WORDS, Said, Words, gathered
from models.evaluation.ranking.letters import Lettered
from models.evaluation.ranking.questions import Question
from models.evaluation.ranking.rows import ranked
from models.evaluation.ranking.sets import DRAWINGS, SHOTS, Asked, Sets
from models.evaluation.subjects import Subject
from models.ranking.joining import RETRIEVAL, Weights

LINES: Final = "lines"
"""Descriptions as evidence; what ships has no such source."""
BY_PICTURE: Final[Mapping[str, float]] = MappingProxyType({RETRIEVAL: 1.6, WORDS: 1.05, LINES: 0.67})
BY_NAME: Final[Mapping[str, float]] = MappingProxyType({RETRIEVAL: 1.98, LINES: 0.24})
"""Fitted to lists of names that the encoder was solved without."""
WAYS: Final = (
    "retrieve",
    "descriptions in the memory",
    "names as evidence",
    "descriptions as well",
    "letters",
    "letters, described",
)


@dataclass(frozen=True)
class Ablated:
    """One row.

    Attributes:
        title: Which questions.
        described: Share of the candidates that have a description.
        ways: How often each way has the first candidate right.
    """

    title: str
    described: float
    ways: Mapping[str, Share]


class Attributes:
    """Asks the questions of rows whose candidates are described.

    Args:
        sets: `emoji`, `photos` and `textile`.
        subject: The encoder whose candidates are ordered.
        shipped: Who says something of candidates.
        most: Questions of each row.
        heard: The first of these, which the language model is asked.
    """

    def __init__(
        self, sets: dict[str, Manifest], subject: Subject, shipped: Shipped, *, most: int, heard: int
    ) -> None:
        self._sets = sets
        self._subject = subject
        self._shipped = shipped
        self._most = most
        self._heard = heard

    def rows(self) -> Iterator[Ablated]:
        """Yield each row; photographs are left out without the package that describes their classes."""
        emoji, photos = self._sets["emoji"], self._sets["photos"]
        keywords = from_keywords(emoji.rows)
        try:
            packaged = from_package({row.label for row in photos.rows})
            some = Sets(self._sets | {"photos": _of(photos, packaged)}, self._subject, self._most)
            yield self._row(some.photographs(0), packaged)
        except MissingPackageError as error:
            self._shipped.left_out.append(f"Left out: *descriptions of photographs* ({error}).")
        some = Sets(self._sets | {"emoji": _of(emoji, keywords)}, self._subject, self._most)
        yield self._row(some.unseen(0), keywords)
        everything = Sets(self._sets, self._subject, self._most)
        for shots in SHOTS[DRAWINGS]:
            yield self._row(everything.drawings(shots), keywords)

    def _row(self, asked: Asked, texts: Mapping[str, str]) -> Ablated:
        words, questions = self._shipped.words, asked.questions
        weights = Weights((BY_PICTURE if asked.shots else BY_NAME, *self._shipped.weights.sets))
        named = gathered(questions, [self._shipped.kept(words)])
        described: list[Said] = []
        voted = []
        for question, said in zip(questions, named, strict=True):
            lines = _read(words, question, texts)
            found = words.compared(question, lines) if asked.shots else neared(words.cosines(question, lines))
            described.append(said if found is None else {**said, LINES: found})
            voted.append(voted_first(question, words.cosines(question, lines)) == question.truth)
        ways = {
            WAYS[0]: share([each.is_right for each in questions]),
            WAYS[1]: share(voted),
            WAYS[3]: ranked(asked, described, weights).share,
        }
        if asked.shots:
            ways[WAYS[2]] = ranked(asked, named, self._shipped.weights).share
        known = [label in texts for each in questions for label in each.labels]
        return Ablated(asked.name, float(np.mean(known)), ways | self._by_letters(questions, texts))

    def _by_letters(self, questions: Sequence[Question], texts: Mapping[str, str]) -> dict[str, Share]:
        language, heard = self._shipped.language, questions[: self._heard]
        if language is None:
            return {}
        sources = (Lettered(language), Lettered(language, descriptions=dict(texts)))
        return {
            way: share(
                [
                    said is not None and int(said.argmax()) == question.truth
                    for question, said in zip(heard, self._shipped.kept(source).say(heard), strict=True)
                ]
            )
            for way, source in zip(WAYS[4:], sources, strict=True)
        }


def _of(pictures: Manifest, texts: Mapping[str, str]) -> Manifest:
    return pictures.where(lambda row: row.label in texts)


def _read(words: Words, question: Question, texts: Mapping[str, str]) -> Float[np.ndarray, "k dim"]:
    """Return the descriptions of the candidates: not a number where there is none."""
    found = np.full(words.read(question.labels).shape, np.nan)
    told = [place for place, label in enumerate(question.labels) if label in texts]
    if told:
        found[told] = words.read([texts[question.labels[place]] for place in told])
    return found


def neared(cosines: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"] | None:
    """Return log-likelihoods, the mean of the others where there is no description."""
    known = np.isfinite(cosines)
    if known.sum() < 2:  # noqa: PLR2004  (one has nothing to be compared with)
        return None
    return np.where(known, cosines, cosines[known].mean()) / VOTES[NAMES].temperature


def voted_first(question: Question, cosines: Float[np.ndarray, "k"]) -> int:
    """Return who is first if descriptions vote beside what the candidates were taught by."""
    vote = VOTES[NAMES]
    more = np.exp((np.nan_to_num(cosines, nan=-1.0) - vote.reference) / vote.temperature)
    return int((question.shares * (1 / question.unknown - 1) + more).argmax())
