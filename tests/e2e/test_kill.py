"""kill -9 at any time: after a restart every acknowledged thing is there, exactly once."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from fovea.gateway.v1 import gateway_pb2, memory_pb2
from fovea.kernel.v1.recognition_pb2 import Recognition
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually, unless_missing

PICTURES = 120
LABELS = sorted(COLOURS)


def _picture(number: int) -> tuple[str, bytes]:
    label = LABELS[number % len(LABELS)]
    return label, png(label, seed=number)


def _taught_until_killed(calls: Calls) -> list[str]:
    lessons = map(_picture, range(PICTURES))
    requests = (
        memory_pb2.RememberRequest(collection=calls.key, exemplar_id=f"e{i}", label=label, image=image)
        for i, (label, image) in enumerate(lessons)
    )
    acknowledged: list[str] = []
    with suppress(grpc.RpcError):  # the kill
        for answer in calls.memory.Remember(requests, timeout=TIMEOUT_S):
            assert answer.memory_version, answer
            acknowledged.append(answer.exemplar_id)
    return acknowledged


def _exemplar_ids(calls: Calls) -> Counter[str]:
    request = memory_pb2.ExportExemplarsRequest(collection=calls.key)
    exported = calls.memory.ExportExemplars(request, timeout=TIMEOUT_S)
    return Counter(each.exemplar.exemplar.exemplar_id for each in exported)


@pytest.mark.parametrize("after_s", [0.4, 0.9])
def test_what_was_taught_before_a_kill_is_there_once(tmp_path: Path, after_s: float) -> None:
    with Program("services.allinone", tmp_path) as first, Calls(first.target) as calls:
        threading.Timer(after_s, first.kill).start()
        acknowledged = _taught_until_killed(calls)

    with Program("services.allinone", tmp_path) as second, Calls(second.target) as calls:
        found = _exemplar_ids(calls)

        assert set(acknowledged) <= set(found)
        assert set(found.values()) <= {1}
        assert second.stop() == 0
    assert acknowledged, "it was killed before it could do anything; give it more time"


def _submitted_until_killed(calls: Calls) -> list[str]:
    requests = (
        gateway_pb2.SubmitImagesRequest(
            submission_id="batch", task=calls.task(_picture(i)[1], recognition_id=f"r{i}")
        )
        for i in range(PICTURES)
    )
    receipts: list[str] = []
    with suppress(grpc.RpcError):  # the kill
        for answer in calls.gateway.SubmitImages(requests, timeout=TIMEOUT_S):
            assert answer.HasField("receipt"), answer
            receipts.append(answer.recognition_id)
    return receipts


@pytest.mark.parametrize("after_s", [0.3, 0.8])
def test_what_was_submitted_before_a_kill_ends_as_one_record(tmp_path: Path, after_s: float) -> None:
    with Program("services.allinone", tmp_path) as first, Calls(first.target) as calls:
        calls.remember([(label, png(label, seed=900)) for label in LABELS])
        killer = threading.Timer(after_s, first.kill)
        killer.start()
        receipts = _submitted_until_killed(calls)
        killer.join()

    with Program("services.allinone", tmp_path) as second, Calls(second.target) as calls:
        records = {name: _record(calls, name) for name in receipts}

        assert receipts
        assert all(record.regions for record in records.values())
        progress = eventually(lambda: _all_ended(calls))
        assert progress.failed == 0
        assert progress.accepted == progress.completed >= len(receipts)


def _record(calls: Calls, name: str) -> Recognition:
    return eventually(lambda: unless_missing(lambda: calls.recognition(name)))


def _all_ended(calls: Calls) -> gateway_pb2.GetSubmissionResponse | None:
    progress = calls.submission("batch")
    return progress if progress.completed + progress.failed >= progress.accepted else None


def test_a_stop_by_signal_ends_cleanly_and_keeps_everything(tmp_path: Path) -> None:
    with Program("services.allinone", tmp_path) as first, Calls(first.target) as calls:
        calls.remember([("poppy", png("poppy"))])
        assert first.stop() == 0

    with Program("services.allinone", tmp_path) as second, Calls(second.target) as calls:
        assert calls.labels() == {"poppy": 1}
        assert second.stop() == 0
