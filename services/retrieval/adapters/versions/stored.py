"""Kept versions in the object store: a name, what people want to know of it, and a catalogue of segments."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

from services.kernel.errors import Corrupt, NotFound, Unavailable
from services.kernel.vocabulary import CollectionKey, Exemplar
from services.retrieval.adapters.memory import catalogue as catalogues
from services.retrieval.adapters.memory.catalogue import Catalogue
from services.retrieval.adapters.memory.view import SegmentedView
from services.retrieval.adapters.versions.chains import Chains, Link
from services.retrieval.adapters.versions.register import Erased, Register
from services.retrieval.adapters.versions.segments import VersionSegments, unshared, without
from services.retrieval.domain.versions import VersionInfo
from services.retrieval.ports import MemoryView
from services.runtime import memory_version

_TRIES: Final = 5
_OPEN: Final = 2  # versions that stay open: a comparison is looked at, then reverted to
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Views(Protocol):
    """Gives the collections as they stand."""

    def view(self, collection: CollectionKey) -> SegmentedView:
        """Return the collection as it stands; empty if nothing was ever taught."""
        ...


@dataclass(frozen=True)
class KeptVersion:
    """A version as it is stored.

    Args:
        info: For people.
        catalogue: What it consists of, and the offsets and the log that it is of.
        cleaned: The digest of the register of what was erased, when its bytes were last looked through.
    """

    info: VersionInfo
    catalogue: Catalogue
    cleaned: str = ""


class StoredVersions:
    """Keeps versions for any number of replicas; each reads what another kept.

    Args:
        chains: Where the versions are.
        segments: Where their segments are.
        memory: What is kept.
        register: What was erased.
        log: Gives the identity of the log of the memory.
        clock: Gives seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913  (what it is put together from)
        self,
        chains: Chains,
        segments: VersionSegments,
        memory: Views,
        register: Register,
        *,
        log: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._chains = chains
        self._segments = segments
        self._memory = memory
        self._register = register
        self._log = log
        self._clock = clock
        self._opened: OrderedDict[tuple[CollectionKey, str, int], SegmentedView] = OrderedDict()
        self._opening = threading.Lock()

    def keep(self, collection: CollectionKey, *, name: str, description: str) -> VersionInfo:
        """Keep the collection as it stands: its segments first, so that it is whole or not there."""
        self._chains.require_free(collection, name)
        log = self._log()
        view, catalogue = self._stored(collection, log)
        labels = view.labels()
        info = VersionInfo(name, description, self._clock(), sum(labels.values()), len(labels), view.version)
        self._chains.create(collection, name, encode(KeptVersion(info, catalogue)))
        return info

    def list(self, collection: CollectionKey) -> Sequence[VersionInfo]:
        """Return what is kept of a collection, the oldest first."""
        infos = [decode(link.data).info for link in self._chains.links(collection)]
        return sorted(infos, key=lambda each: (each.created_s, each.name))

    def view(self, collection: CollectionKey, name: str) -> SegmentedView:
        """Return a kept state, without what was erased since."""
        link, version = self._read(collection, name)
        erased = self._register.read(collection).since(version.catalogue.offsets, version.catalogue.log)
        return without(self._open(link, version.catalogue), erased)

    def unshared(self, now: MemoryView, then: MemoryView) -> tuple[MemoryView, MemoryView]:
        """Return both states without what they have in the same segments."""
        if isinstance(now, SegmentedView) and isinstance(then, SegmentedView):
            return unshared(now, then)
        return now, then

    def delete(self, collection: CollectionKey, name: str) -> None:
        """Keep a state no longer; its segments go when no snapshot and no other version has them."""
        self._chains.delete(collection, name)

    def erased(self, collection: CollectionKey, name: str) -> AbstractSet[str]:
        """Return the ids that a kept state must not bring back."""
        _, version = self._read(collection, name)
        return self._register.read(collection).since(version.catalogue.offsets, version.catalogue.log)

    def digests(self) -> set[str]:
        """Return the segments that all versions name. Raises Corrupt, Unsupported, Unavailable."""
        named: set[str] = set()
        for collection, name in self._chains.all():
            try:
                named |= self._read(collection, name)[1].catalogue.digests
            except NotFound:
                continue  # it was deleted just now
        return named

    def clean(self, collection: CollectionKey, register: Erased, going: Callable[[Exemplar], None]) -> None:
        """Remove the bytes of what was erased from all versions of a collection.

        Args:
            collection: Whose.
            register: What was erased.
            going: Told of each exemplar before it goes, perhaps more than once. Raises Corrupt, Unavailable.
        """
        for link in self._chains.links(collection):
            version = decode(link.data)
            if version.cleaned == register.digest:
                continue
            hidden = register.since(version.catalogue.offsets, version.catalogue.log)
            entries = []
            for entry in version.catalogue.entries:
                cleaned, gone = self._segments.cleaned(entry, hidden=hidden, erased=register.ids)
                entries += [cleaned] if cleaned else []
                for each in gone:
                    going(each)
            catalogue = replace(version.catalogue, entries=tuple(entries))
            info = version.info
            if catalogue != version.catalogue:
                labels = without(self._segments.open(entries, catalogue.offsets), hidden).labels()
                info = replace(info, exemplars=sum(labels.values()), labels=len(labels))
                _LOG.info("what was erased is gone from the version %s of %s", link.name, collection)
            self._chains.replace(link, encode(KeptVersion(info, catalogue, register.digest)))

    def _stored(self, collection: CollectionKey, log: str) -> tuple[SegmentedView, Catalogue]:
        """Store the collection as it stands at some moment, and return it and what it consists of."""
        for _ in range(_TRIES):
            view = self._memory.view(collection)
            try:
                entries = self._segments.store(collection, view)
            except NotFound:
                continue  # a segment was merged into another before it was stored
            return view, Catalogue(dict(view.offsets), self._clock(), entries, log=log)
        raise Unavailable(f"the memory of {collection} is being rebuilt; try again")

    def _read(self, collection: CollectionKey, name: str) -> tuple[Link, KeptVersion]:
        link = self._chains.read(collection, name)
        return link, decode(link.data)

    def _open(self, link: Link, catalogue: Catalogue) -> SegmentedView:
        key = (link.collection, link.name, link.number)
        with self._opening:
            view = self._opened.get(key) or self._segments.open(catalogue.entries, catalogue.offsets)
            self._opened[key] = view
            self._opened.move_to_end(key)
            for old in [each for each in self._opened if each != key and each[:2] == key[:2]]:
                del self._opened[old]  # what was erased is in it
            while len(self._opened) > _OPEN:
                self._opened.popitem(last=False)
        return view


def encode(version: KeptVersion) -> bytes:
    """Return a version as bytes."""
    content = {
        "name": version.info.name,
        "description": version.info.description,
        "created_s": version.info.created_s,
        "exemplars": version.info.exemplars,
        "labels": version.info.labels,
        "cleaned": version.cleaned,
        "catalogue": catalogues.encode(version.catalogue).decode(),
    }
    return json.dumps(content).encode()


def decode(data: bytes) -> KeptVersion:
    """Return the version that was encoded. Raises Corrupt, and Unsupported if another release wrote it."""
    try:
        content = json.loads(data)
        catalogue = catalogues.decode(content["catalogue"].encode())
        info = VersionInfo(
            str(content["name"]),
            str(content["description"]),
            float(content["created_s"]),
            int(content["exemplars"]),
            int(content["labels"]),
            memory_version.encode(catalogue.offsets),
        )
        return KeptVersion(info, catalogue, str(content["cleaned"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupt(f"a kept version cannot be read: {error!r}") from error
