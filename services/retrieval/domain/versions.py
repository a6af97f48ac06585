"""What is kept under a name: states of a memory, and questions to ask them."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from services.kernel.errors import InvalidInput, NotFound
from services.kernel.vocabulary import Embedding, EncodedExemplar

_NOW, _THEN = 0, 1
_NAMED = 10  # exemplars, or versions, that an error names


@dataclass(frozen=True)
class VersionInfo:
    """A kept state of one collection's memory. `created_s` is in seconds since the epoch."""

    name: str
    description: str
    created_s: float
    exemplars: int
    labels: int
    memory_version: str


@dataclass(frozen=True)
class Query:
    """One question.

    Args:
        query_id: Unique in its set.
        embeddings: At most one of each space.
        right_label: Empty if nobody knows.
        exemplar_id: What it was made of, which may not answer it; empty if there is none.
    """

    query_id: str
    embeddings: tuple[Embedding, ...]
    right_label: str = ""
    exemplar_id: str = ""


@dataclass(frozen=True)
class QuerySet:
    """Questions that stay the same. `memory_version` is of the memory that its exemplars were taken from."""

    name: str
    description: str
    created_s: float
    queries: tuple[Query, ...]
    memory_version: str

    @property
    def labelled(self) -> int:
        """How many have a right label."""
        return sum(bool(query.right_label) for query in self.queries)

    def without(self, exemplar_ids: Collection[str]) -> QuerySet:
        """Return it without the questions that were made of these exemplars."""
        return replace(
            self, queries=tuple(each for each in self.queries if each.exemplar_id not in exemplar_ids)
        )


@dataclass(frozen=True)
class Edit:
    """A proposed change of one exemplar: another label, or, without one, to be forgotten."""

    exemplar_id: str
    label: str = ""


@dataclass(frozen=True)
class StateName:
    """Names a state of a memory: a kept version, or the memory as it stands, perhaps but for some edits."""

    version: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Restore:
    """An exemplar that a state has, and the memory has not, or has otherwise."""

    encoded: EncodedExemplar


@dataclass(frozen=True)
class Drop:
    """An exemplar that the memory has, and a state has not."""

    exemplar_id: str


_first = itemgetter(0)


def require_editable(edits: Iterable[Edit], found: Collection[str]) -> None:
    """Raise unless each edit is of an exemplar that there is, and of another one.

    Raises InvalidInput for an exemplar that is edited twice, NotFound for one that there is not.
    """
    counts = Counter(edit.exemplar_id for edit in edits)
    if twice := [each for each, count in counts.items() if count > 1]:
        raise InvalidInput(
            f"there is more than one edit of {listed(twice)}", field="edits", reason="EDITED_TWICE"
        )
    if missing := [each for each in counts if each not in found]:
        raise NotFound(
            f"there is no exemplar {listed(missing)} to edit", field="edits", reason="EXEMPLAR_UNKNOWN"
        )


def difference(now: Iterable[EncodedExemplar], then: Iterable[EncodedExemplar]) -> Iterator[Restore | Drop]:
    """Yield what makes a memory that is as `now` one that is as `then`. Both come in order of id."""
    sides = (_on_side(now, _NOW), _on_side(then, _THEN))
    both = heapq.merge(*sides, key=_first)
    for exemplar_id, group in itertools.groupby(both, key=_first):
        found = {side: each for _, each, side in group}
        if _THEN not in found:
            yield Drop(exemplar_id)
        elif _NOW not in found or not same(found[_NOW], found[_THEN]):
            yield Restore(found[_THEN])


def same(one: EncodedExemplar, other: EncodedExemplar) -> bool:
    """Say whether two exemplars are equal in every field, their vectors bit by bit."""
    ours, theirs = _vectors(one), _vectors(other)
    return (
        one.exemplar == other.exemplar
        and ours.keys() == theirs.keys()
        and all(np.array_equal(vector, theirs[key]) for key, vector in ours.items())
    )


def listed(names: Collection[str]) -> str:
    """Return the first few, for people."""
    some = list(names)
    return ", ".join(some[:_NAMED]) + (f" and {len(some) - _NAMED} more" if len(some) > _NAMED else "")


def _on_side(some: Iterable[EncodedExemplar], side: int) -> Iterator[tuple[str, EncodedExemplar, int]]:
    return ((_id(each), each, side) for each in some)


def _id(encoded: EncodedExemplar) -> str:
    return encoded.exemplar.exemplar_id


def _vectors(encoded: EncodedExemplar) -> dict[tuple[str, str, int], np.ndarray]:
    return {(each.space, each.encoder, len(each.vector)): each.vector for each in encoded.embeddings}
