"""What retrieval keeps under names, through a real gRPC server over a real log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fovea.kernel.v1 import envelope_pb2, versions_pb2
from fovea.retrieval.v1 import versions_pb2 as pb
from fovea.retrieval.v1 import versions_pb2_grpc
from services.kernel.errors import InvalidInput, NotFound, Unsupported
from services.kernel.limits import LIMITS
from services.retrieval.assembly import Storage, assemble
from services.retrieval.settings import RetrievalSettings
from services.runtime import memory_version
from services.runtime.codec.exemplar import read_encoded_exemplar, write_embedding
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.metrics import Metrics
from services.runtime.object_store.ports import ObjectStore
from services.runtime.topics import TOPICS
from tests.fakes.exemplars import embedding, encoded
from tests.fakes.object_store import InMemoryStore
from tests.fakes.replica import forgotten, publish, taught
from tests.fakes.serving import served

KEY = envelope_pb2.CollectionKey(tenant="acme", collection="birds")
SPRING = versions_pb2.MemoryState(version="spring")
TIMEOUT_S = 10.0
LOOKS = {"robin": embedding(1, 0, 0), "wren": embedding(0, 1, 0), "tit": embedding(0, 0, 1)}


class Retrieval:
    """The stub, and the log that the memory is a view of."""

    def __init__(self, log: SqliteLog, stub: Any) -> None:
        self.log = log
        self.stub = stub

    def teach(self, **labels: str) -> str:
        """Teach exemplars that look as their labels do."""
        records = [taught(encoded(name, label, [LOOKS[label]])) for name, label in labels.items()]
        return memory_version.encode(publish(self.log, *records))

    def keep(self, name: str, at_least: str) -> versions_pb2.MemoryVersion:
        request = pb.KeepVersionRequest(collection=KEY, name=name, min_memory_version=at_least)
        kept: versions_pb2.MemoryVersion = self.stub.KeepVersion(request, timeout=TIMEOUT_S).version
        return kept

    def difference(self, to: versions_pb2.MemoryState, at_least: str) -> tuple[str, dict[str, str]]:
        """Return the memory version of the state, and for each change the label, or nothing to forget it."""
        request = pb.StreamDifferenceRequest(collection=KEY, to=to, min_memory_version=at_least)
        first, *changes = self.stub.StreamDifference(request, timeout=TIMEOUT_S)
        return first.memory_version, {
            (each.restore.exemplar.exemplar_id or each.forget): each.restore.exemplar.label
            for each in changes
        }


@contextmanager
def running(folder: Path, kept: ObjectStore | None) -> Iterator[Retrieval]:
    with closing(SqliteLog(folder / "events.db", TOPICS.settings())) as log:
        retrieval = assemble(
            RetrievalSettings(), log, Storage(folder / "memory", kept=kept), metrics=Metrics(), version="1"
        )
        for each in retrieval.background:
            each.start()
        try:
            (servicer,) = (each for each in retrieval.servicers if each.name.endswith("VersionService"))
            with served(servicer) as channel:
                yield Retrieval(log, versions_pb2_grpc.VersionServiceStub(channel))
        finally:
            for each in reversed(retrieval.background):
                each.close()


@pytest.fixture
def retrieval(tmp_path: Path) -> Iterator[Retrieval]:
    with running(tmp_path, InMemoryStore()) as started:
        yield started


def test_a_version_holds_what_was_durable_and_its_difference_leads_back(retrieval: Retrieval) -> None:
    durable = retrieval.teach(a="robin", b="wren")
    kept = retrieval.keep("spring", durable)
    assert (kept.exemplars, kept.labels) == (2, 2)
    retrieval.teach(a="tit", c="tit")
    at = publish(retrieval.log, forgotten("b"))

    version, changes = retrieval.difference(SPRING, memory_version.encode(at))

    assert version == kept.memory_version
    assert {name: label for name, label in changes.items() if name != "c"} == {"a": "robin", "b": "wren"}
    assert changes.get("c", "") == ""
    listed = retrieval.stub.ListVersions(pb.ListVersionsRequest(collection=KEY), timeout=TIMEOUT_S).versions
    assert list(listed) == [kept]


def test_what_is_restored_has_its_embeddings(retrieval: Retrieval) -> None:
    retrieval.keep("spring", retrieval.teach(a="robin"))
    at = memory_version.encode(publish(retrieval.log, forgotten("a")))

    request = pb.StreamDifferenceRequest(collection=KEY, to=SPRING, min_memory_version=at)
    _, change = retrieval.stub.StreamDifference(request, timeout=TIMEOUT_S)

    back = read_encoded_exemplar(change.restore, field="restore")
    assert back.embeddings[0].vector.tolist() == LOOKS["robin"].vector.tolist()


def test_a_comparison_streams_what_differs_then_a_summary(retrieval: Retrieval) -> None:
    retrieval.keep("spring", retrieval.teach(a="robin", b="robin", c="wren", d="wren"))
    query = versions_pb2.MemoryQuery(query_id="q", embeddings=[write_embedding(LOOKS["wren"])])
    retrieval.stub.KeepQueries(
        pb.KeepQueriesRequest(
            collection=KEY, name="gold", sample=versions_pb2.FewShotSample(), queries=[query]
        ),
        timeout=TIMEOUT_S,
    )
    at = retrieval.teach(c="tit", d="tit")

    request = pb.CompareStatesRequest(
        collection=KEY,
        before=SPRING,
        queries="gold",
        options=envelope_pb2.RecognitionOptions(min_memory_version=at),
    )
    *changed, last = (each.entry for each in retrieval.stub.CompareStates(request, timeout=TIMEOUT_S))

    assert {each.changed.query_id for each in changed} == {"c", "d", "q"}
    assert (last.summary.same.of, last.summary.right_before.of) == (5, 4)
    assert last.summary.same.low < 0.4 < last.summary.same.high
    (listed,) = retrieval.stub.ListQuerySets(
        pb.ListQuerySetsRequest(collection=KEY), timeout=TIMEOUT_S
    ).query_sets
    assert (listed.name, listed.queries, listed.labelled) == ("gold", 5, 4)


def test_what_is_erased_is_named_for_those_who_bring_back(retrieval: Retrieval) -> None:
    at = retrieval.teach(a="robin", b="wren")
    retrieval.keep("spring", at)
    retrieval.stub.MarkErased(pb.MarkErasedRequest(collection=KEY, exemplar_ids=["a"]), timeout=TIMEOUT_S)

    def erased(**where: Any) -> list[str]:
        request = pb.ListErasedRequest(collection=KEY, **where)
        return list(retrieval.stub.ListErased(request, timeout=TIMEOUT_S).exemplar_ids)

    assert erased(state=SPRING) == ["a"]
    assert erased(memory_version=at) == ["a"]
    gone = memory_version.encode(publish(retrieval.log, forgotten("a")))
    retrieval.stub.MarkErased(
        pb.MarkErasedRequest(collection=KEY, exemplar_ids=["a"], memory_version=gone), timeout=TIMEOUT_S
    )
    assert erased(state=SPRING) == ["a"]
    both = memory_version.decode(at) | memory_version.decode(gone)
    assert erased(memory_version=memory_version.encode(both)) == []
    assert retrieval.difference(SPRING, gone)[1] == {}


@pytest.mark.parametrize(
    ("method", "request_", "error", "field"),
    [
        ("KeepVersion", pb.KeepVersionRequest(collection=KEY, name="a/b"), InvalidInput, "name"),
        ("DeleteVersion", pb.DeleteVersionRequest(collection=KEY, name="x"), NotFound, "name"),
        ("DeleteQuerySet", pb.DeleteQuerySetRequest(collection=KEY, name="x"), NotFound, "name"),
        ("KeepQueries", pb.KeepQueriesRequest(collection=KEY, name="x"), InvalidInput, "sample"),
        (
            "StreamDifference",
            pb.StreamDifferenceRequest(
                collection=KEY,
                to=versions_pb2.MemoryState(
                    edits=versions_pb2.Edits(edits=[versions_pb2.Edit(exemplar_id="a")])
                ),
            ),
            InvalidInput,
            "to.edits[0]",
        ),
        (
            "StreamDifference",
            pb.StreamDifferenceRequest(
                collection=KEY,
                to=versions_pb2.MemoryState(
                    edits=versions_pb2.Edits(edits=[versions_pb2.Edit()] * (LIMITS.edits_per_request + 1))
                ),
            ),
            InvalidInput,
            "to.edits",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(
    retrieval: Retrieval, method: str, request_: Any, error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as refused:  # noqa: PT012  (a stream fails when it is read)
        answer = getattr(retrieval.stub, method)(request_, timeout=TIMEOUT_S)
        list(answer)

    assert refused.value.field == field  # type: ignore[attr-defined]


def test_without_a_store_that_all_share_nothing_can_be_kept_and_the_message_says_why(tmp_path: Path) -> None:
    with running(tmp_path, None) as retrieval, pytest.raises(Unsupported, match="FOVEA_S3_ENDPOINT"):
        retrieval.keep("spring", "")
