from __future__ import annotations

import hashlib

import pytest
from prometheus_client import CollectorRegistry

from services.kernel.errors import Corrupt, NotFound
from services.runtime import tracing
from services.runtime.metrics import StorageMetrics
from services.runtime.object_store.measured import MeasuredStore
from services.runtime.object_store.verified import read_verified
from tests.fakes.object_store import InMemoryStore


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def store(registry: CollectorRegistry) -> MeasuredStore:
    return MeasuredStore(InMemoryStore(), StorageMetrics(registry))


def requests(registry: CollectorRegistry, op: str, code: str) -> float | None:
    return registry.get_sample_value("fovea_blob_requests_total", {"op": op, "code": code})


def test_requests_are_counted_by_how_they_end(store: MeasuredStore, registry: CollectorRegistry) -> None:
    store.put("a", b"1")
    store.get("a")
    store.put_if_absent("a", b"2")
    store.put_if_absent("b", b"2")
    list(store.list(""))
    store.delete("a")
    with pytest.raises(NotFound):
        store.get("a")

    counted = {
        (op, code): requests(registry, op, code)
        for op, code in (
            *(("put", "ok"), ("get", "ok"), ("get", "NotFound"), ("put_if_absent", "taken")),
            *(("put_if_absent", "ok"), ("list", "ok"), ("delete", "ok")),
        )
    }
    assert set(counted.values()) == {1.0}, counted
    assert registry.get_sample_value("fovea_blob_seconds_count", {"op": "get"}) == 2.0
    assert registry.get_sample_value("fovea_blob_bytes_sum", {"op": "put"}) == 3.0


def test_what_is_not_what_its_digest_says_is_counted(
    store: MeasuredStore, registry: CollectorRegistry
) -> None:
    store.put("a", b"1")
    read_verified(store, "a", hashlib.sha256(b"1").hexdigest())
    with pytest.raises(Corrupt):
        read_verified(store, "a", hashlib.sha256(b"2").hexdigest())

    assert registry.get_sample_value("fovea_blob_digest_mismatch_total") == 1.0


def test_requests_within_a_sampled_call_are_part_of_its_trace(store: MeasuredStore) -> None:
    spans: list[tracing.Span] = []
    call = tracing.begin(None, tracing.Tracer(spans.append))
    token = tracing.enter(call)
    with pytest.raises(NotFound):
        store.get("a")
    tracing.restore(token)
    store.put("a", b"1")

    (span,) = spans
    assert (span.name, span.kind, span.error) == ("store get", "client", "NotFound")
    assert span.context.parent == tracing.TraceContext(call.trace_id, call.span_id, sampled=True)
