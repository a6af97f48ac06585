"""What each source says of the candidates of each question: asked once, and kept by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from models.evaluation.encoders import Encoder, Model
from models.evaluation.features import Features
from models.evaluation.ranking.looks import Looks
from models.evaluation.ranking.questions import CANDIDATES, Question
from models.ranking import words
from models.ranking.joining import RETRIEVAL, log_shares
from models.ranking.pairs.looks import MOST_ALIKE, Look, checked, evidence, is_familiar, tensors

PAIRS: Final = "pairs"
WORDS: Final = "words"
PICTURES: Final = 4
"""Of each candidate that are compared, the first."""
_KEPT: Final = "said"
_PART: Final = 20

Said = Mapping[str, Float[np.ndarray, "k"]]
"""Log-probabilities of a question's candidates, by source."""


@runtime_checkable
class Source(Protocol):
    """Somebody who says how likely each candidate is."""

    @property
    def name(self) -> str:
        """As weights call it."""
        ...

    @property
    def digest(self) -> str:
        """What differs if an answer may."""
        ...

    def say(self, question: Question) -> Float[np.ndarray, "k"] | None:
        """Return log-probabilities of the candidates; None where it cannot be asked."""
        ...


class Pairs:
    """Compares the picture with the candidates' own.

    Args:
        model: fovea-pairs.
        looks: Of pictures.
    """

    name = PAIRS

    def __init__(self, model: Model, looks: Looks) -> None:
        self._model = model
        self._looks = looks
        self.pairs = 0
        """That were compared."""

    @property
    def digest(self) -> str:
        """Of the model, and what decides whether it is asked."""
        said = f"{self._model.digest} {MOST_ALIKE} {PICTURES}"
        return hashlib.sha256(said.encode()).hexdigest()

    def say(self, question: Question) -> Float[np.ndarray, "k"] | None:
        """Return what comparisons say; None where there is nothing to compare, or nothing that it knows."""
        query, exemplars, owner = _seen(question, self._looks)
        if not is_familiar(exemplars, owner):
            return None
        return evidence(self.compare(query, exemplars), owner, len(question.labels))

    def compare(self, query: Look, exemplars: Sequence[Look]) -> Float[np.ndarray, "pair"]:
        """Return the logit of each pair."""
        self.pairs += len(exemplars)
        return checked(self._model.run(tensors(query, exemplars)), len(exemplars))


class Words:
    """Compares the picture, and the candidates' own, with what the candidates are called.

    Args:
        encoder: Reads names.
        looks: Of pictures.
    """

    name = WORDS

    def __init__(self, encoder: Encoder, looks: Looks) -> None:
        self._encoder = encoder
        self._looks = looks
        self._read: dict[str, Float[np.ndarray, "dim"]] = {}

    @property
    def digest(self) -> str:
        """Of the model, and what decides whether it is asked."""
        limits = f"{words.ALIKE_NAMES} {words.ALIKE_PICTURES} {PICTURES}"
        said = f"{self._encoder.digest} {words.TEMPERATURE} {limits}"
        return hashlib.sha256(said.encode()).hexdigest()

    def say(self, question: Question) -> Float[np.ndarray, "k"] | None:
        """Return what names say; None where there is nothing to compare."""
        return self.compared(question, self.read(question.labels))

    def compared(
        self, question: Question, texts: Float[np.ndarray, "k dim"]
    ) -> Float[np.ndarray, "k"] | None:
        """Return what texts say of the candidates: one each, not a number where there is none."""
        query, exemplars, owner = _seen(question, self._looks)
        if not exemplars:
            return None
        return words.evidence(query.names, np.stack([each.names for each in exemplars]), owner, texts)

    def cosines(self, question: Question, texts: Float[np.ndarray, "k dim"]) -> Float[np.ndarray, "k"]:
        """Return how near the picture is to each text."""
        (query,) = self._looks.of([question.picture])
        return np.asarray(texts @ query.names, np.float64)

    def read(self, texts: Sequence[str]) -> Float[np.ndarray, "text dim"]:
        """Return where texts lie, each read once."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._read]
        if missing:
            self._read |= zip(missing, self._encoder.read(missing), strict=True)
        return np.stack([self._read[text] for text in texts])


def _seen(question: Question, looks: Looks) -> tuple[Look, list[Look], Int[np.ndarray, "exemplar"]]:
    """Return what is seen of the picture and of the candidates' own, and whose each is."""
    shown = [
        (number, each) for number, pictures in enumerate(question.exemplars) for each in pictures[:PICTURES]
    ]
    query, *exemplars = looks.of([question.picture, *(each for _, each in shown)])
    return query, exemplars, np.array([number for number, _ in shown], dtype=np.intp)


class Kept:
    """A source whose answers are kept by what was asked.

    Args:
        source: Who is asked.
        cache: Folder for what was said.
    """

    def __init__(self, source: Source, cache: Path) -> None:
        self.source = source
        self._features = Features(cache / f"{source.name}-{source.digest[:24]}")

    def say(self, questions: Sequence[Question]) -> list[Float[np.ndarray, "k"] | None]:
        """Return what the source says of each question; those that are not kept are asked."""
        keys = [key_of(question) for question in questions]
        missing = self._features.missing(keys)
        for start in range(0, len(missing), _PART):
            part = missing[start : start + _PART]
            rows = np.stack([_row(self.source.say(questions[place])) for place in part])
            self._features.add([keys[place] for place in part], {_KEPT: rows})
        if not keys:
            return []
        found = self._features.of(keys)[_KEPT][:, : CANDIDATES + 1]
        sizes = [len(question.labels) for question in questions]
        return [row[1 : 1 + size] if row[0] else None for row, size in zip(found, sizes, strict=True)]


def _row(said: Float[np.ndarray, "k"] | None) -> Float[np.ndarray, "row"]:
    """Return whether anything was said, and what: of one length, whatever was asked."""
    row = np.zeros(CANDIDATES + 1)
    if said is not None:
        row[0], row[1 : 1 + len(said)] = 1, said
    return row


def gathered(questions: Sequence[Question], sources: Sequence[Kept]) -> list[Said]:
    """Return what retrieval and all others say of each question."""
    said: list[dict[str, np.ndarray]] = [{RETRIEVAL: log_shares(each.shares)} for each in questions]
    for source in sources:
        for own, found in zip(said, source.say(questions), strict=True):
            if found is not None:
                own[source.source.name] = found
    return list(said)


def key_of(question: Question) -> str:
    """Return what differs if a question does: its picture, its candidates and their pictures, in order."""
    pictures = [[each.row.sha256 for each in some[:PICTURES]] for some in question.exemplars]
    said = repr((question.picture.row.sha256, question.labels, pictures))
    return hashlib.sha256(said.encode()).hexdigest()
