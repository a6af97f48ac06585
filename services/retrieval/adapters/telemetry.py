"""What operators want to know of the memory, as metrics and log lines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from services.kernel.vocabulary import CollectionKey, Embedding
from services.retrieval.ports import Search
from services.runtime.metrics import MemoryMetrics

_LOG = logging.getLogger(__name__)


class MetricsMonitor:
    """Counts on the platform's metrics; an encoder that cannot be compared is logged once a collection.

    Args:
        metrics: Of the memory.
        watch: Takes every search, and looks at some again.
    """

    def __init__(self, metrics: MemoryMetrics, *, watch: Callable[[Search], None] | None = None) -> None:
        self._watch = watch
        self._searched = metrics.search.labels("exact").observe
        self._left_out = metrics.left_out
        self._said: set[tuple[CollectionKey, str, str]] = set()
        self._saying = threading.Lock()

    def searched(self, search: Search, seconds: float) -> None:
        """Observe the time of one search, and show it to the watch."""
        self._searched(seconds)
        if self._watch is not None:
            self._watch(search)

    def left_out(self, collection: CollectionKey, query: Embedding, count: int) -> None:
        """Count the query, and log, the first time, that vectors of another encoder do not answer."""
        self._left_out.labels(query.space).inc()
        what = (collection, query.space, query.encoder)
        with self._saying:
            if what in self._said:
                return
            self._said.add(what)
        _LOG.warning(
            "%d vectors of %s in the space %s cannot be compared with %s and do not answer; "
            "teach their exemplars again",
            count,
            collection,
            query.space,
            query.encoder,
            extra={"reason": "ENCODER_MISMATCH"},
        )
