"""Metrics of the object store, as the process that asks it sees it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.runtime.metrics.buckets import BYTES, WORK_S


class StorageMetrics:
    """The object store, whichever it is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "fovea_blob_requests",
            "Requests ended; op is put, put_if_absent, get, list (until its first object) or delete; code is "
            "ok, taken (somebody else was first) or the error.",
            ("op", "code"),
            registry=registry,
        )
        self.seconds = Histogram(
            "fovea_blob_seconds", "Time of one request.", ("op",), buckets=WORK_S, registry=registry
        )
        self.bytes = Histogram(
            "fovea_blob_bytes",
            "Size of objects that were asked to be stored (op put) or were read (get).",
            ("op",),
            buckets=BYTES,
            registry=registry,
        )
        self.digest_mismatch = Counter(
            "fovea_blob_digest_mismatch",
            "Objects that were not what their digest says; none of them was used.",
            registry=registry,
        )
