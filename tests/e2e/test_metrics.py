"""Whatever the catalogue declares is filled by something: what is always empty tells nobody anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc
import pytest

from fovea.gateway.v1 import collections_pb2
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.prompt_pb2 import FindOptions, Prompt
from fovea.kernel.v1.recognition_pb2 import Recognition
from fovea.kernel.v1.region_pb2 import Box, Shape
from infra.metrics import declared, name_of
from tests.e2e.calls import Calls
from tests.e2e.pictures import png, wrong
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape
from tests.e2e.waiting import eventually, unless_missing
from tests.fakes.collector import collecting

# What cannot happen here, and where it is tested instead.
ELSEWHERE: Final = {
    "fovea_back_fill_exemplars_total": "takes a collection on its way to another encoder: tests/unit/gateway",
    "fovea_model_errors_total": "no model of this process fails: tests/unit/runtime/model_execution",
    "fovea_memory_left_out_total": "takes another version of the encoder: tests/unit/retrieval",
    "fovea_memory_indexed_vectors": "takes more vectors than are taught here: tests/unit/retrieval",
    "fovea_memory_keep_failures_total": "takes a disk that refuses: tests/unit/retrieval",
    "fovea_memory_refused_total": "takes a damaged memory: tests/unit/retrieval",
    "fovea_memory_snapshot_age_seconds": "takes a log and a store that are shared: tests/unit/retrieval",
    "fovea_memory_snapshot_failures_total": "likewise",
    "fovea_memory_snapshots_total": "likewise",
    "fovea_rank_judged_total": "takes a model that orders candidates: tests/unit/ranking",
    "fovea_rank_model_duration_seconds": "likewise",
    "fovea_rank_tokens_total": "likewise",
}
MAY_BE_ZERO: Final = {
    "fovea_back_fill_pending",
    "fovea_consumer_lag_messages",
    "fovea_consumer_lag_seconds",
    "fovea_outbox_pending",
    "fovea_partition_paused",
    "fovea_rpc_in_flight",
    "fovea_model_queue_depth",
    "fovea_memory_replica_lag_versions",
    "fovea_memory_segments",
    "fovea_memory_tombstone_ratio",
}


def filled(scrape: Scrape, name: str) -> bool:
    value = next((v for v in (scrape.value(name), scrape.value(f"{name}_count")) if v is not None), None)
    return value is not None and (value > 0 or name in MAY_BE_ZERO)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A process that has seen a bit of everything, with few threads so that it can be overrun."""
    folder = tmp_path_factory.mktemp("measured")
    with collecting() as collector:
        settings = {
            "FOVEA_OTLP_ENDPOINT": collector.endpoint,
            "FOVEA_TRACE_RATIO": "1",
            "FOVEA_WORKER_THREADS": "1",
            "FOVEA_QUEUED_CALLS": "0",
            "FOVEA_MEMORY_QUALITY_SAMPLE": "1",
        }
        with Program("services.allinone", folder, settings) as program:
            with Calls(program.target, collection="measured") as calls:
                calls.create_collection(hierarchy=_hierarchy())
                _work(calls)
                _damage(calls, folder)
                _overrun(calls)
            yield program


def _hierarchy() -> list[collections_pb2.LabelParent]:
    parents = {"fern": "plant", "tree fern": "plant", "plant": ""}
    return [collections_pb2.LabelParent(label=label, parent=parent) for label, parent in parents.items()]


def _is_broad(record: Recognition) -> bool | None:
    return record.regions[0].ranking.HasField("broader") or None


def _work(calls: Calls) -> None:
    calls.recognize(png("poppy"))  # nothing is known yet
    twin = png("fern", seed=1)
    lessons: list[tuple[str, bytes | str]] = [("poppy", png("poppy", seed=1)), ("water lily", "water lily")]
    calls.remember([*lessons, ("fern", twin), ("tree fern", twin)])
    assert eventually(lambda: _is_broad(calls.recognize(twin)))  # either fern
    apart = FindOptions(threshold=0.0, overlap=0.0)  # something is found, and little of it
    calls.recognize(twin, options=RecognitionOptions(prompts=[Prompt(name="fern")], find=apart))
    calls.recognize(png("poppy", seed=2), options=RecognitionOptions(size=3))
    damaged, _ = wrong()["truncated jpeg"]
    list(calls.submit({"good": png("poppy", seed=3), "dead": damaged}))
    for name in ("good", "dead"):
        assert eventually(lambda name=name: unless_missing(lambda: calls.recognition(name)))  # type: ignore[misc]
    with pytest.raises(grpc.RpcError):
        calls.recognize(b"no picture")


def _damage(calls: Calls, folder: Path) -> None:
    """Let a stored picture be read again that is not what it was."""
    image = png("fern", seed=4)
    calls.recognize(image)
    for stored in (folder / "data" / "store").rglob("images/**/*"):
        if stored.is_file():
            stored.write_bytes(b"damaged")
    corner = Shape(box=Box(left=8, top=8, right=60, bottom=60))
    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(image, options=RecognitionOptions(shapes=[corner]))
    assert refused.value.code() is grpc.StatusCode.DATA_LOSS


def _overrun(calls: Calls) -> None:
    def call(number: int) -> grpc.StatusCode | None:
        try:
            calls.recognize(png("poppy", seed=10 + number))
        except grpc.RpcError as error:
            return error.code()
        return None

    with ThreadPoolExecutor(8) as pool:
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in set(pool.map(call, range(16)))


@pytest.mark.parametrize("name", [name_of(metric) for _, metric in declared()])
def test_what_is_declared_is_filled(worked: Program, name: str) -> None:
    if name in ELSEWHERE:
        assert not filled(Scrape(worked), name), f"{name} is filled here, so it needs no excuse"
    else:
        assert eventually(lambda: filled(Scrape(worked), name) or None)


def test_numbers_are_those_of_what_was_done(worked: Program) -> None:
    lag = {"topic": "images.submitted", "group": "segmentation"}
    eventually(lambda: Scrape(worked).value("fovea_consumer_lag_messages", **lag) == 0 or None)
    scrape = Scrape(worked)

    dead: Mapping[str, str] = {"topic": "regions.proposed", "group": "encoding", "reason": "IMAGE_DAMAGED"}
    assert scrape.value("fovea_dead_letters_total", **dead) == 1
    processed = {"topic": "images.submitted", "group": "segmentation", "outcome": "ok"}
    assert scrape.value("fovea_events_processed_total", **processed) == 2
    assert scrape.value("fovea_blob_digest_mismatch_total") == 1
    method = {"service": "fovea.gateway.v1.GatewayService", "method": "Recognize"}
    assert scrape.value("fovea_rpc_requests_total", code="INVALID_ARGUMENT", **method) == 1
    assert scrape.value("fovea_rpc_requests_total", code="DATA_LOSS", **method) == 1
    assert scrape.value("fovea_blob_requests_total", op="put_if_absent", code="taken") == 4  # pictures


def test_labels_have_few_values(worked: Program) -> None:
    samples = [
        sample
        for sample in Scrape(worked).samples
        if sample.name.startswith("fovea_") and not sample.name.endswith(("_bucket", "_created"))
    ]
    series = Counter(sample.name for sample in samples)
    values = {(sample.name, *label) for sample in samples for label in sample.labels.items()}
    of_label = Counter((name, label) for name, label, _ in values)
    assert max(series.values()) < 64, series.most_common(3)
    assert max(of_label.values()) < 16, of_label.most_common(3)
