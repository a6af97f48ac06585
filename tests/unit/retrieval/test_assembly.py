"""Retrieval over a real embedded log: what is published is found, also after a restart."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from fovea.gateway.v1 import collections_pb2
from fovea.gateway.v1.events_pb2 import CollectionChanged
from fovea.kernel.v1 import envelope_pb2
from fovea.retrieval.v1 import retrieval_pb2 as pb
from fovea.retrieval.v1 import retrieval_pb2_grpc
from services.kernel import defaults
from services.kernel.errors import DeadlineExceeded, InvalidInput, Unavailable
from services.kernel.vocabulary import EncodedExemplar, RegionEmbeddings
from services.retrieval.assembly import Storage, assemble
from services.retrieval.settings import RetrievalSettings
from services.runtime import memory_version
from services.runtime.codec.candidates import write_vote
from services.runtime.codec.exemplar import write_encoded_exemplar, write_region_embeddings
from services.runtime.codec.recognition import write_collection
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import LagWatch
from services.runtime.events import EventWriter, Tombstone
from services.runtime.metrics import Metrics
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.serving import served

NORTH = embedding(0, 1)
KEY = write_collection(BIRDS)
PATIENCE_S = 30.0


@dataclass
class Retrieval:
    """A running replica, and the way for exemplars into its log."""

    log: EventLog
    stub: Any
    metrics: Metrics

    def teach(self, *exemplars: EncodedExemplar) -> str:
        events = [
            ExemplarEncoded(collection=KEY, exemplar=write_encoded_exemplar(each)) for each in exemplars
        ]
        return self._publish(*events)

    def forget(self, exemplar_id: str) -> str:
        return self._publish(Tombstone("exemplars.encoded", f"acme/birds/{exemplar_id}"))

    def change(self, collection: collections_pb2.Collection) -> None:
        collection.key.CopyFrom(KEY)
        self._publish(CollectionChanged(collection=collection))

    def labels(self, version: str = "") -> dict[str, int]:
        request = pb.ListLabelsRequest(collection=KEY, min_memory_version=version)
        return {
            each.label: each.exemplars for each in self.stub.ListLabels(request, timeout=PATIENCE_S).labels
        }

    def _publish(self, *outputs: Any) -> str:
        positions = Publisher(self.log, EventWriter(TOPICS, producer="test/1")).publish(*outputs)
        ends: dict[int, int] = {}
        for position in positions:
            ends[position.partition] = max(ends.get(position.partition, 0), position.offset + 1)
        return memory_version.encode(ends)


@contextmanager
def running(folder: Path, **given: Any) -> Iterator[Retrieval]:
    with closing(SqliteLog(folder / "events.db", TOPICS.settings())) as log:
        metrics = Metrics()
        assembly = assemble(
            RetrievalSettings.load(**given), log, Storage(folder / "memory"), metrics=metrics, version="1.2"
        )
        for background in assembly.background:
            background.start()
        try:
            for check in assembly.checks.values():
                _wait_ready(check)
            with served(assembly.servicers[0]) as channel:
                yield Retrieval(log, retrieval_pb2_grpc.RetrievalServiceStub(channel), metrics)
        finally:
            for background in assembly.background:
                background.close()


def _wait_ready(check: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            check()
        except Unavailable:
            assert time.monotonic() < end
            time.sleep(0.005)
        else:
            return


def test_a_read_sees_the_write_whose_version_it_names(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval:
        version = retrieval.teach(encoded("a", "robin", [NORTH]), encoded("b", "wren", [NORTH]))
        assert retrieval.labels(version) == {"robin": 1, "wren": 1}

        assert retrieval.labels(retrieval.forget("a")) == {"wren": 1}


def test_a_restarted_replica_is_ready_when_it_knows_everything_again(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval:
        for number in range(50):
            retrieval.teach(encoded(f"x{number}", f"label {number}", [NORTH]))
        retrieval.forget("x0")

    with running(tmp_path) as retrieval:
        assert len(retrieval.labels()) == 49


def test_a_replica_is_not_ready_before_it_has_read_the_log(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval:
        retrieval.teach(encoded("a", "robin", [NORTH]))

    with closing(SqliteLog(tmp_path / "events.db", TOPICS.settings())) as log:
        blocked = _Blocked(log)
        assembly = assemble(
            RetrievalSettings.load(), blocked, Storage(tmp_path / "memory"), metrics=Metrics(), version="1.2"
        )
        memory, *_ = assembly.background
        memory.start()
        try:
            with pytest.raises(Unavailable, match="still being read"):
                assembly.checks["memory"]()
            blocked.go.set()
            _wait_ready(assembly.checks["memory"])
        finally:
            memory.close()


class _Blocked:
    """A log whose tail gives nothing until it may go."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def tail(self, *args: Any, **kwargs: Any) -> Any:
        return _BlockedTail(self._log.tail(*args, **kwargs), self.go)


class _BlockedTail:
    def __init__(self, tail: Any, go: threading.Event) -> None:
        self._tail = tail
        self._go = go

    def poll(self, timeout_s: float, *, most: int) -> Any:
        return self._tail.poll(timeout_s, most=most) if self._go.wait(timeout_s) else []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tail, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._tail.close()


def test_a_recall_finds_what_was_taught_and_names_the_memory(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval:
        version = retrieval.teach(encoded("a", "robin", [NORTH]))

        answer = recall(retrieval, version)

        assert [each.label for each in answer.regions[0].candidates] == ["robin"]
        shipped = {vote.space: write_vote(vote) for vote in defaults.VOTES}
        assert {vote.space: vote for vote in answer.regions[0].votes} == shipped
        assert answer.stage.memory_version == version
        assert answer.stage.version == "1.2"


def recall(retrieval: Retrieval, version: str) -> Any:
    request = pb.RecallRequest(
        collection=KEY,
        regions=[write_region_embeddings(RegionEmbeddings("0", (NORTH,)))],
        options=envelope_pb2.RecognitionOptions(min_memory_version=version),
    )
    return retrieval.stub.Recall(request, timeout=PATIENCE_S)


def test_candidates_know_what_they_are_kinds_of_as_the_collection_says(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval:
        version = retrieval.teach(encoded("a", "goldfinch", [NORTH]), encoded("b", "siskin", [NORTH]))
        assert not recall(retrieval, version).regions[0].candidates[0].ancestors
        parents = {"goldfinch": "finch", "siskin": "finch", "finch": ""}
        retrieval.change(collections_pb2.Collection(hierarchy=_entries(parents)))
        end = time.monotonic() + PATIENCE_S
        while not (found := recall(retrieval, version).regions[0].candidates)[0].ancestors:
            assert time.monotonic() < end
            time.sleep(0.005)

        for candidate in found:
            assert [(each.label, each.score) for each in candidate.ancestors] == [("finch", 1.0)]

    with running(tmp_path) as retrieval:  # known again before it is ready
        assert recall(retrieval, version).regions[0].candidates[0].ancestors


def _entries(parents: dict[str, str]) -> list[collections_pb2.LabelParent]:
    return [collections_pb2.LabelParent(label=label, parent=parent) for label, parent in parents.items()]


@pytest.mark.parametrize(("sample", "threads"), [(1.0, 1), (0.0, 0)])
def test_queries_are_repeated_exactly_if_the_settings_say_so(
    tmp_path: Path, sample: float, threads: int
) -> None:
    with running(tmp_path, memory_quality_sample=sample) as retrieval:
        watching = [thread for thread in threading.enumerate() if thread.name == "memory-quality"]
        assert len(watching) == threads
        recall(retrieval, retrieval.teach(encoded("a", "robin", [NORTH])))
        read = retrieval.metrics.registry.get_sample_value
        end = time.monotonic() + (PATIENCE_S if sample else 0.1)
        while not read("fovea_memory_watched_total", {"outcome": "compared"}) and time.monotonic() < end:
            time.sleep(0.005)

        labels = {"collection": "acme/birds", "k": "10"}
        assert read("fovea_memory_recall_ratio_sum", labels) == (1.0 if sample else None)


def test_a_version_from_the_future_is_unavailable_after_the_longest_wait(tmp_path: Path) -> None:
    with running(tmp_path, freshness_wait_s=0.05) as retrieval, pytest.raises(Unavailable) as refused:
        retrieval.labels("v1.0-1000")

    assert (refused.value.field, refused.value.reason) == ("min_memory_version", "MEMORY_BEHIND")


def test_a_version_from_the_future_lasts_no_longer_than_the_deadline(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval, pytest.raises(DeadlineExceeded):
        retrieval.stub.ListLabels(
            pb.ListLabelsRequest(collection=KEY, min_memory_version="v1.0-1000"), timeout=0.1
        )


@pytest.mark.parametrize("version", ["garbage", "v1.77-1"])
def test_what_is_no_version_of_this_memory_is_refused(tmp_path: Path, version: str) -> None:
    with running(tmp_path) as retrieval, pytest.raises(InvalidInput) as refused:
        retrieval.labels(version)

    assert (refused.value.field, refused.value.reason) == ("min_memory_version", "MEMORY_VERSION_INVALID")


def test_the_lag_is_measured(tmp_path: Path) -> None:
    with running(tmp_path) as retrieval:
        retrieval.labels(retrieval.teach(encoded("a", "robin", [NORTH])))

        assert retrieval.metrics.registry.get_sample_value("fovea_memory_replica_lag_versions") == 0


def test_a_scrape_does_not_wait_for_a_log_that_does_not_answer(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    metrics = Metrics()
    storage = Storage(tmp_path / "memory")
    memory, behind, *_ = assemble(
        RetrievalSettings.load(), log, storage, metrics=metrics, version="1.2"
    ).background
    assert isinstance(behind, LagWatch)
    memory.start()
    behind.look()
    assert metrics.registry.get_sample_value("fovea_memory_replica_lag_versions") == 0

    memory.close()
    log.close()
    assert metrics.registry.get_sample_value("fovea_memory_replica_lag_versions") == 0
    behind.look()
    assert math.isnan(metrics.registry.get_sample_value("fovea_memory_replica_lag_versions") or 0.0)


def test_embeddings_are_handled_as_events_too(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "events.db", TOPICS.settings())) as log:
        (subscription,) = assemble(
            RetrievalSettings.load(), log, Storage(tmp_path / "memory"), metrics=Metrics(), version="1.2"
        ).subscriptions

    assert (subscription.topic, subscription.group) == ("regions.encoded", "retrieval")
