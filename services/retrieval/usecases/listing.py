"""Showing what a collection was taught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey, Condition, EncodedExemplar, Exemplar
from services.retrieval.domain import Scope, id_of_token, page_token
from services.retrieval.domain.spaces import InSpaces
from services.retrieval.ports import Memory, MemoryView

_EVERY: Final = InSpaces()


@dataclass(frozen=True)
class Page:
    """Some exemplars in order of id; `next_token` is empty on the last page."""

    exemplars: tuple[Exemplar, ...]
    next_token: str
    memory_version: str


@dataclass(frozen=True)
class Listing:
    """Which exemplars to list: of one label, with one of these ids, that meet all conditions; empty: all."""

    label: str = ""
    conditions: tuple[Condition, ...] = ()
    ids: frozenset[str] = frozenset()

    def admits(self, exemplar: Exemplar) -> bool:
        """Say whether label and id are wanted; the conditions are a `Scope`'s to test."""
        return self.label in ("", exemplar.label) and (not self.ids or exemplar.exemplar_id in self.ids)


class ListExemplars:
    """Pages through a collection in order of id.

    What is written meanwhile shows up if its id is still to come; nothing shows up twice or is lost.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(
        self,
        collection: CollectionKey,
        wanted: Listing,
        *,
        page_size: int = 0,
        token: str = "",
        at_least: str = "",
    ) -> Page:
        """Return one page; `page_size` 0 takes the usual size. Raises as `Memory.view`, and InvalidInput."""
        size = _checked_size(page_size)
        after = id_of_token(token)
        view = self._memory.view(collection, at_least=at_least)
        scope = Scope(wanted.conditions)
        matching = (
            exemplar
            for exemplar in _in_order(view, wanted.ids, after)
            if wanted.admits(exemplar) and scope.admits(exemplar)
        )
        some = tuple(islice(matching, size + 1))
        next_token = page_token(some[size - 1].exemplar_id) if len(some) > size else ""
        return Page(some[:size], next_token, view.version)


def _in_order(view: MemoryView, ids: frozenset[str], after: str) -> Iterator[Exemplar]:
    """Yield the exemplars whose id is greater; of a memory of millions those that are named are looked up."""
    if not ids:
        return view.exemplars(after=after)
    found = view.find([each for each in ids if each > after])
    return (found[each].exemplar for each in sorted(found))


def _checked_size(page_size: int) -> int:
    if page_size > LIMITS.page_size:
        raise InvalidInput(
            f"page_size is {page_size}, at most {LIMITS.page_size} is allowed",
            field="page_size",
            reason="PAGE_TOO_LARGE",
        )
    return page_size or LIMITS.default_page_size


class ExportExemplars:
    """Gives the exemplars of a collection, with their embeddings, as it stood when the export began."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(
        self,
        collection: CollectionKey,
        wanted: InSpaces = _EVERY,
        *,
        after: str = "",
        at_least: str = "",
    ) -> Iterator[EncodedExemplar]:
        """Return those whose id is greater than `after`, in order, one at a time. Raises as `Memory.view`."""
        everything = self._memory.view(collection, at_least=at_least).encoded(after=after)
        return everything if wanted == _EVERY else filter(wanted.admits, everything)


@dataclass(frozen=True)
class LabelCounts:
    """How many exemplars each label has, in order of label."""

    exemplars: tuple[tuple[str, int], ...]
    memory_version: str


class ListLabels:
    """Counts what a collection was taught."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __call__(self, collection: CollectionKey, *, at_least: str = "") -> LabelCounts:
        """Return the labels. Raises as `Memory.view`."""
        view = self._memory.view(collection, at_least=at_least)
        return LabelCounts(tuple(sorted(view.labels().items())), view.version)
