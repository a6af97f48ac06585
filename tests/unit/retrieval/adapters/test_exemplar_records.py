from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from services.kernel.errors import Unavailable
from services.kernel.vocabulary import Embedding, EncodedExemplar
from services.retrieval.adapters.exemplar_records import TOPIC, ApplyExemplars
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.runtime.claim_check import StoredClaims
from services.runtime.codec.exemplar import write_encoded_exemplar
from services.runtime.codec.recognition import write_collection
from services.runtime.event_log.ports import NewRecord, Position, Record
from services.runtime.metrics import Metrics
from tests.fakes.exemplars import BIRDS, ENCODER, embedding, encoded
from tests.fakes.object_store import InMemoryStore

NOW_S = 1_000.0
NORTH = embedding(0, 1)


class Applied:
    """The arrays behind the records, with a clock that stands still."""

    def __init__(self) -> None:
        self.index = SegmentedIndex(Path("nowhere"))
        self.metrics = Metrics()
        self.times = [NOW_S]
        self._apply = ApplyExemplars(self.index, self.metrics.memory, now=lambda: self.times[-1])

    def apply(self, records: Sequence[Record]) -> None:
        for each in records:
            self._apply([each])

    def ids(self) -> list[str]:
        return [each.exemplar_id for each in self.index.view(BIRDS).exemplars()]

    def text(self) -> str:
        return generate_latest(self.metrics.registry).decode()


def record(
    name: str,
    value: EncodedExemplar | bytes | None,
    *,
    offset: int,
    partition: int = 0,
    timestamp_s: float = NOW_S,
) -> Record:
    if isinstance(value, EncodedExemplar):
        message = ExemplarEncoded(collection=write_collection(BIRDS), exemplar=write_encoded_exemplar(value))
        value = message.SerializeToString()
    return Record(Position(TOPIC, partition, offset), f"acme/birds/{name}", value, {}, timestamp_s)


def test_records_are_remembered_and_tombstones_forgotten() -> None:
    applied = Applied()
    taught = encoded("a", "robin", [NORTH], {"place": "wood"})

    applied.apply([record("a", taught, offset=0), record("b", encoded("b", "wren", [NORTH]), offset=4)])
    applied.apply([record("b", None, offset=5), record("never there", None, offset=6)])

    (given_back,) = applied.index.view(BIRDS).encoded()
    assert given_back.exemplar == taught.exemplar
    np.testing.assert_array_equal(given_back.embeddings[0].vector, NORTH.vector)


def test_a_large_exemplar_is_fetched_and_a_lost_one_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    store = InMemoryStore()
    claims = StoredClaims(store, most_bytes=1)
    index = SegmentedIndex(Path("nowhere"))
    apply = ApplyExemplars(index, Metrics().memory, claims=claims)
    for offset, name in enumerate(("lost", "whole")):
        small = record(name, encoded(name, "robin", [NORTH]), offset=offset)
        large = claims.deposit(NewRecord(TOPIC, small.key, small.value, {}))
        if name == "lost":
            store.delete(large.headers["payload-key"])
        with caplog.at_level(logging.ERROR):
            apply([replace(small, value=large.value, headers=large.headers)])

    assert [each.exemplar_id for each in index.view(BIRDS).exemplars()] == ["whole"]
    (line,) = caplog.records
    assert line.__dict__["reason"] == "PAYLOAD_MISSING"


def test_the_version_says_how_far_each_partition_was_read() -> None:
    applied = Applied()

    applied.apply([record("a", None, offset=0), record("b", None, offset=9, partition=2)])
    applied.apply([record("a", None, offset=3)])

    assert applied.index.view(BIRDS).version == "v1.0-4.2-10"


@pytest.mark.parametrize(
    "value",
    [
        b"\xff\xff",
        encoded("bad", "robin", [Embedding(np.array([np.nan, 1], np.float32), ENCODER, "visual")]),
        encoded("bad", "two\nlines", [NORTH]),
    ],
)
def test_a_record_that_cannot_be_read_is_logged_and_left_out(
    value: EncodedExemplar | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    applied = Applied()

    with caplog.at_level(logging.ERROR):
        applied.apply([record("bad", value, offset=0), record("b", encoded("b", "wren", [NORTH]), offset=1)])

    assert applied.ids() == ["b"]
    assert applied.index.view(BIRDS).version == "v1.0-2"
    assert "record 0 of partition 0 cannot be read" in caplog.text


def test_a_key_of_another_form_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    applied = Applied()

    with caplog.at_level(logging.ERROR):
        applied.apply([Record(Position(TOPIC, 0, 0), "strange", None, {}, NOW_S)])

    assert "tenant/collection/exemplar" in caplog.text


def test_only_new_records_count_for_how_soon_they_are_visible() -> None:
    applied = Applied()
    applied.times.append(NOW_S + 0.2)

    applied.apply(
        [
            record("old", encoded("old", "robin", [NORTH]), offset=0, timestamp_s=NOW_S - 3600),
            record("new", encoded("new", "robin", [NORTH]), offset=1, timestamp_s=NOW_S),
        ]
    )

    text = applied.text()
    assert "fovea_memory_visible_seconds_count 1.0" in text
    assert "fovea_memory_visible_seconds_sum 0.2" in text


def test_items_are_measured_by_space() -> None:
    applied = Applied()
    both = encoded("a", "robin", [NORTH, embedding(1, 0, space="name")])

    applied.apply([record("a", both, offset=0), record("b", encoded("b", "wren", [NORTH]), offset=1)])
    assert 'fovea_memory_items{space="visual"} 2.0' in applied.text()

    applied.apply([record("a", None, offset=2)])
    assert 'fovea_memory_items{space="visual"} 1.0' in applied.text()
    assert 'fovea_memory_items{space="name"} 0.0' in applied.text()


class FullIndex(SegmentedIndex):
    """Has no room until it is told so."""

    is_full = True

    def apply(self, changes: Sequence[Change], offsets: Mapping[int, int]) -> None:
        if self.is_full:
            raise Unavailable("there is no room")
        super().apply(changes, offsets)


def test_records_that_come_together_are_seen_together_or_not_at_all() -> None:
    index = FullIndex(Path("nowhere"))
    apply = ApplyExemplars(index, Metrics().memory, now=lambda: NOW_S)
    some = [record(name, encoded(name, "robin", [NORTH]), offset=place) for place, name in enumerate("ab")]

    with pytest.raises(Unavailable):
        apply(some)
    assert index.view(BIRDS).version == "v1"
    index.is_full = False
    apply([*some, record("a", None, offset=2)])

    assert [each.exemplar_id for each in index.view(BIRDS).exemplars()] == ["b"]
    assert index.view(BIRDS).version == "v1.0-3"
