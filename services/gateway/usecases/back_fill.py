"""Keeping exemplars in the spaces that their collection uses: what they lack is encoded, the rest dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from services.gateway.domain.collections import Collection, spaces_of
from services.gateway.domain.migration import Work
from services.gateway.domain.teaching import Change
from services.gateway.ports import BackFillMonitor, Settled
from services.gateway.usecases.migrate import Place, has_picture
from services.kernel.vocabulary import NAME_SPACE, VISUAL_SPACE, CollectionKey, EncodedExemplar, ExemplarKind

_PAGE: Final = 64
_FIRST_REST: Final = 1
_MOST_REST: Final = 256


@dataclass
class _Rest:
    """A collection where a pass changed nothing is left alone for twice as many passes each time."""

    work: Work
    passes: int = _FIRST_REST
    waited: int = 0


Pause = Callable[[int], bool]
"""Waits after so many exemplars, so that others have their turn; returns whether to stop."""


class BackFill:
    """Hands exemplars over to be encoded again, until each is in the spaces that its collection uses.

    What it does follows from what the memory holds, so it may stop at any time, and several may do it at
    once. What was changed or forgotten since it looked stays as it is.

    Args:
        place: Where collections, exemplars and pictures are.
        monitor: Is told how much there is to do.
        pause: Called after every few exemplars.
    """

    def __init__(self, place: Place, monitor: BackFillMonitor, pause: Pause) -> None:
        self._place = place
        self._monitor = monitor
        self._pause = pause
        self._rests: dict[CollectionKey, _Rest] = {}

    def __call__(self) -> int:
        """Look at every collection once, and return how many exemplars were handed over.

        Raises Unavailable, DeadlineExceeded; the next time goes on where this one ended.
        """
        done, lacking, leaving = 0, 0, 0
        migrating = [each for each in self._place.collections.list() if self._uses_more(each)]
        looks = self._place.encoder.spaces() if migrating else ()
        for collection in migrating:
            work = self._work(collection, looks)
            lacking, leaving = lacking + work.lacking, leaving + work.leaving
            self._monitor.remaining(lacking=lacking, leaving=leaving)
            if not self._rests_now(collection.key, work):
                done += self._done(collection, work)
        self._monitor.remaining(lacking=lacking, leaving=leaving)
        return done

    def _uses_more(self, collection: Collection) -> bool:
        """Whether the collection uses spaces beside those that every exemplar is encoded into anyway."""
        spaces = {*spaces_of(collection, self._place.shipped)}
        return bool(collection.migrations or spaces - {VISUAL_SPACE, NAME_SPACE})

    def _work(self, collection: Collection, looks: Sequence[str]) -> Work:
        counts = self._place.retriever.count_spaces(
            collection.key, min_memory_version=self._place.teacher.memory_version()
        )
        kept = spaces_of(collection, self._place.shipped)
        return Work.of(counts, kept=kept, looks=looks, migrations=collection.migrations)

    def _rests_now(self, key: CollectionKey, work: Work) -> bool:
        """Whether there is nothing to do, or nothing came of it the last times."""
        rest = self._rests.get(key)
        if rest is None or rest.work != work:
            self._rests[key] = _Rest(work)
            return not (work.lacking or work.leaving)
        rest.waited += 1
        if rest.waited < rest.passes or not (work.lacking or work.leaving):
            return True
        self._rests[key] = _Rest(work, min(2 * rest.passes, _MOST_REST))
        return False

    def _done(self, collection: Collection, work: Work) -> int:
        key, done = collection.key, 0
        if work.lacking:
            done += self._handed_over(key, self._filling(key, work), {"lacking": [*work.looks]})
        if work.leaving:
            for space in work.dropped:
                wanted = {"having": [space, *work.looks]}
                done += self._handed_over(key, self._dropping(key, work), wanted)
        return done

    def _handed_over(
        self,
        key: CollectionKey,
        change: Callable[[EncodedExemplar, Settled], Change | None],
        wanted: Mapping[str, Sequence[str]],
    ) -> int:
        """Go through the exemplars that are wanted, page by page; return how many were handed over."""
        done, after = 0, ""
        while True:
            settled = self._place.teacher.settle(key)
            found = self._place.retriever.export_exemplars(
                key, min_memory_version=settled.memory_version, after=after, **wanted
            )
            page = list(islice(found, _PAGE))
            changes = [made for each in page if (made := change(each, settled)) is not None]
            if changes:
                self._place.teacher.hand_over(changes)
                self._monitor.handed_over(len(changes))
                done += len(changes)
            if len(page) < _PAGE or self._pause(len(changes)):
                return done
            after = page[-1].exemplar.exemplar_id

    def _filling(self, key: CollectionKey, work: Work) -> Callable[[EncodedExemplar, Settled], Change | None]:
        def change(encoded: EncodedExemplar, settled: Settled) -> Change | None:
            exemplar = encoded.exemplar
            if exemplar.kind is not ExemplarKind.IMAGE or not encoded.embeddings:
                return None
            if not has_picture(exemplar, self._place.images):
                return None
            return Change(
                key,
                exemplar.exemplar_id,
                exemplar,
                encoded.embeddings,
                spaces=tuple(sorted(work.looks)),
                unless_changed_since=settled.offsets,
            )

        return change

    def _dropping(
        self, key: CollectionKey, work: Work
    ) -> Callable[[EncodedExemplar, Settled], Change | None]:
        def change(encoded: EncodedExemplar, settled: Settled) -> Change | None:
            remaining = work.remaining(encoded.embeddings)
            if not remaining:
                return None
            exemplar = encoded.exemplar
            return Change(
                key, exemplar.exemplar_id, exemplar, remaining, unless_changed_since=settled.offsets
            )

        return change
