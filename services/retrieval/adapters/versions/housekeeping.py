"""Removes the bytes of what was erased, and the segments that nobody names any more, in the background."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from services.kernel.errors import FoveaError
from services.kernel.vocabulary import CollectionKey, Exemplar
from services.retrieval.adapters.memory.view import SegmentedView
from services.retrieval.adapters.versions.query_sets import StoredQuerySets
from services.retrieval.adapters.versions.register import Erased, Register
from services.retrieval.adapters.versions.stored import StoredVersions
from services.runtime.object_store.ports import ObjectStore

EVERY_S: Final = 60.0
_LAST_S: Final = 5.0  # what the turn in hand gets when the process ends
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Erasable(Protocol):
    """A memory from whose disk exemplars can be removed."""

    def view(self, collection: CollectionKey) -> SegmentedView:
        """Return the collection as it stands."""
        ...

    def erase(self, collection: CollectionKey, exemplar_ids: list[str]) -> bool:
        """Have forgotten ones of these removed from disk; say whether none is there any more."""
        ...


class Housekeeping:
    """One replica's part; all replicas do the same, and two that meet do it once.

    Args:
        register: What was erased.
        versions: The kept ones.
        query_sets: Likewise.
        memory: Of this replica.
        images: Has the images that exemplars were made of.
        collect: Removes the segments that nobody names; None if something else does.
        every_s: From one turn to the next.
    """

    def __init__(  # noqa: PLR0913  (what it looks after)
        self,
        register: Register,
        versions: StoredVersions,
        query_sets: StoredQuerySets,
        *,
        memory: Erasable,
        images: ObjectStore,
        collect: Callable[[], object] | None,
        every_s: float = EVERY_S,
    ) -> None:
        self._register = register
        self._versions = versions
        self._query_sets = query_sets
        self._memory = memory
        self._images = images
        self._collect = collect
        self._every_s = every_s
        self._done: dict[CollectionKey, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a turn that is under way gets a moment."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_LAST_S)

    def turn(self) -> None:
        """Do what there is to do. Raises FoveaError; the next turn does what is left."""
        for collection in self._register.collections():
            self._erase(collection, self._register.read(collection))
        if self._collect is not None:
            self._collect()

    def _erase(self, collection: CollectionKey, erased: Erased) -> None:
        self._versions.clean(collection, erased, lambda exemplar: self._remove_image(collection, exemplar))
        if self._done.get(collection) == erased.digest:
            return
        self._query_sets.clean(collection, erased)
        offsets = self._memory.view(collection).offsets
        forgotten = all(each.version and each.reached(offsets) for each in erased.erasures)
        if self._memory.erase(collection, sorted(erased.ids)) and forgotten:
            self._done[collection] = erased.digest

    def _remove_image(self, collection: CollectionKey, exemplar: Exemplar) -> None:
        """Remove an erased exemplar's image, unless it was taught again since."""
        if exemplar.image is None or not exemplar.image.key.startswith(f"{collection.tenant}/images/"):
            return
        now = self._memory.view(collection).find([exemplar.exemplar_id]).get(exemplar.exemplar_id)
        if now is None or now.exemplar.image is None or now.exemplar.image.key != exemplar.image.key:
            self._images.delete(exemplar.image.key)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s * random.uniform(0.5, 1.5)):  # noqa: S311  (no secret)
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001  (logged, tried again)
                unforeseen = not isinstance(error, FoveaError)
                _LOG.error("what was erased cannot be removed yet: %s", error, exc_info=unforeseen)
