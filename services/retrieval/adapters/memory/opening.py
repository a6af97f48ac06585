"""What a memory begins with: the newest catalogue that can be trusted, else nothing and the whole log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeVar, runtime_checkable

from services.kernel.errors import Corrupt, FoveaError, NotFound, Unavailable, Unsupported
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.freshness import Limits, LogState, behind
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.segment import Segment
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.memory.state import State

R = TypeVar("R")
_NEAR: Final = 50_000  # records that are sooner read from the log than a snapshot is fetched
_RETRY_S: Final = 0.5
_LOG = logging.getLogger(__name__)

Refused = Callable[[str], None]
"""Is told, in a word, why something that was kept is not used: an alarm."""


@runtime_checkable
class Restorable(Protocol):
    """A memory that can begin with a state."""

    def restore(self, state: State) -> None:
        """Begin with it. Raises Corrupt, Unsupported, Unavailable; then nothing was restored."""
        ...


@dataclass(frozen=True)
class _Candidate:
    """A catalogue, and where it is from, for people."""

    catalogue: Catalogue
    source: str


class Opening:
    """Opens a memory from its own disk or from a snapshot, whichever leaves less of the log to be read.

    Args:
        local: The replica's own disk.
        snapshots: Of all replicas; None where there are none.
        refused: Told about everything that is there and cannot be used.
        limits: What is too old.
        patience_s: How long to wait for an object store that is down, before the log is read instead.
    """

    def __init__(
        self,
        local: LocalMemory,
        snapshots: SnapshotStore | None,
        *,
        refused: Refused,
        limits: Limits | None = None,
        patience_s: float = 15.0,
    ) -> None:
        self._local = local
        self._snapshots = snapshots
        self._refused = refused
        self._limits = limits or Limits()
        self._patience_s = patience_s
        self._stop = threading.Event()

    def stop(self) -> None:
        """Have a call that is under way end soon, with nothing restored."""
        self._stop.set()

    def __call__(self, index: Restorable, log: LogState, now_s: float) -> Catalogue | None:
        """Restore the index, if anything can be trusted, and return what it then holds.

        Args:
            index: Empty.
            log: As it is now.
            now_s: In seconds since the epoch.
        """
        self._end_s = time.monotonic() + self._patience_s
        for candidate in self._candidates(log.ends):
            if reason := self._limits.refusal(candidate.catalogue, log, now_s):
                self._refuse(candidate.source, reason)
            elif self._restored(index, candidate):
                self._local.adopt(candidate.catalogue)
                return candidate.catalogue
        self._local.adopt(None)
        return None

    def _candidates(self, ends: Mapping[int, int]) -> Iterator[_Candidate]:
        """Yield what is worth trying, best first; the store is not asked if there is no need."""
        local = self._read_local()
        if local and behind(local.catalogue.offsets, ends) <= _NEAR:
            yield local
            local = None
        for stored in self._stored():
            if local and behind(local.catalogue.offsets, stored.catalogue.offsets) == 0:
                yield local
                local = None
            yield stored
        if local:
            yield local

    def _read_local(self) -> _Candidate | None:
        try:
            return _Candidate(self._local.catalogue.read(), "the own disk")
        except NotFound:
            return None
        except FoveaError as error:
            self._refuse("the own disk", _word(error), error)
            return None

    def _stored(self) -> Iterator[_Candidate]:
        """Yield the snapshots that can be read, the newest first."""
        if self._snapshots is None:
            return
        try:
            snapshots = self._patiently(self._snapshots.snapshots)
        except Unavailable as error:
            self._refuse("the object store", _word(error), error)
            return
        for snapshot in snapshots:
            source = f"snapshot {snapshot.number}"
            try:
                found = self._patiently(partial(self._snapshots.read, snapshot.number))
            except FoveaError as error:
                self._refuse(source, _word(error), error)
            else:
                # The store's clock is another witness: a writer's clock may have been ahead.
                yield _Candidate(replace(found, as_of_s=min(found.as_of_s, snapshot.stored_s)), source)

    def _restored(self, index: Restorable, candidate: _Candidate) -> bool:
        try:
            for digest in sorted(candidate.catalogue.digests):
                self._have(digest)
            index.restore(candidate.catalogue.state(self._local.segments))
        except FoveaError as error:
            self._refuse(candidate.source, _word(error), error)
            return False
        _LOG.info(
            "the memory begins with %d segments of %s", len(candidate.catalogue.entries), candidate.source
        )
        return True

    def _have(self, digest: str) -> None:
        """Have a segment on the own disk that can be opened; fetch it if there is none."""
        folder = self._local.segments / digest
        damage: FoveaError = NotFound(f"there is no segment {digest}")
        if folder.exists():
            try:
                Segment.open(folder)
            except FoveaError as error:
                damage = error
            else:
                return
        if self._snapshots is None:
            raise damage
        if not isinstance(damage, NotFound):
            _LOG.error("segment %s on the own disk is not used: %s", digest, damage)
        self._patiently(partial(self._snapshots.fetch, digest, self._local.segments))

    def _patiently(self, action: Callable[[], R]) -> R:
        """Return what it gives, trying again while something is Unavailable and there is time."""
        while not self._stop.is_set():
            try:
                return action()
            except Unavailable:
                if time.monotonic() > self._end_s:
                    raise
                self._stop.wait(_RETRY_S)
        raise Unavailable("the process ends")

    def _refuse(self, source: str, reason: str, error: FoveaError | None = None) -> None:
        said = f": {error}" if error else ""
        _LOG.error("what %s has of the memory is not used, it is %s%s", source, reason, said)
        self._refused(reason)


def _word(error: FoveaError) -> str:
    words = {Corrupt: "damaged", NotFound: "missing", Unsupported: "unsupported", Unavailable: "unavailable"}
    return next((word for kind, word in words.items() if isinstance(error, kind)), "unreadable")
