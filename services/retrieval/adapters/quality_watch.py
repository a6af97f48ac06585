"""Repeats a few searches with every vector compared, to learn what the indexes pass over."""

from __future__ import annotations

import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from services.kernel.vocabulary import CollectionKey
from services.retrieval.domain.quality import recall_at
from services.retrieval.ports import Search
from services.runtime.metrics import MemoryMetrics

KS: Final = (10, 100)
_WAITING: Final = 64
_NAMED: Final = 32
_OTHERS: Final = "other"
_MOST_SHARE: Final = 0.1
_IDLE_S: Final = 0.25
_LAST_S: Final = 1.0
_LOWEST: Final = 19
_LOG = logging.getLogger(__name__)


class QualityWatch:
    """Compares some answers with exact ones, in a thread of its own that everything else goes before.

    A query is repeated on the very view that answered it, so what is written meanwhile changes nothing.
    It waits in a short queue; when that is full the query is counted as dropped and forgotten. The thread
    rests nine times as long as it works, so it takes a tenth of a core at most, whatever the load.

    Args:
        metrics: Of the memory.
        sample: Which share of the queries is repeated, in (0, 1].
        draw: Gives a number in [0, 1) for each query.
    """

    def __init__(
        self, metrics: MemoryMetrics, *, sample: float, draw: Callable[[], float] | None = None
    ) -> None:
        self._metrics = metrics
        self._sample = sample
        self._draw = draw or random.Random().random  # noqa: S311  (no secret)
        self._waiting: queue.Queue[Search] = queue.Queue(_WAITING)
        self._named: set[CollectionKey] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-quality", daemon=True)

    def answered(self, search: Search) -> None:
        """Take some of the queries to be repeated later; neither waits nor raises."""
        for place, query in enumerate(search.queries):
            if self._draw() < self._sample:
                self._take(replace(search, queries=[query], found=[search.found[place]]))

    def start(self) -> None:
        """Begin to repeat."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what still waits is forgotten."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_LAST_S)

    def _take(self, search: Search) -> None:
        try:
            self._waiting.put_nowait(search)
        except queue.Full:
            self._metrics.watched.labels("dropped").inc()

    def _run(self) -> None:
        with suppress(AttributeError, OSError):  # Linux has priorities of threads
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        while not self._stop.is_set():
            started = time.monotonic()
            if self._repeat_next():
                self._stop.wait((time.monotonic() - started) * (1 / _MOST_SHARE - 1))

    def _repeat_next(self) -> bool:
        """Repeat one query if one comes; say whether one came."""
        try:
            search = self._waiting.get(timeout=_IDLE_S)
        except queue.Empty:
            return False
        try:
            self._compare(search)
            outcome = "compared"
        except Exception:  # noqa: BLE001  (nobody waits for it; it is logged and counted)
            _LOG.warning("a query of %s could not be repeated", search.collection, exc_info=True)
            outcome = "failed"
        self._metrics.watched.labels(outcome).inc()
        return True

    def _compare(self, search: Search) -> None:
        truth = search.view.compare_all(search.queries, most=search.most, scope=search.scope)
        for k in KS:
            share = recall_at(k, search.found[0].hits, truth[0].hits) if k <= search.most else None
            if share is not None:
                self._metrics.recall.labels(self._name(search.collection), str(k)).observe(share)

    def _name(self, collection: CollectionKey) -> str:
        """Return the collection's name, or `other` once so many have been named: labels stay few."""
        if collection not in self._named and len(self._named) < _NAMED:
            self._named.add(collection)
        return str(collection) if collection in self._named else _OTHERS
