"""What the platform asks of Triton, and what each of its answers means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry

from services.kernel.errors import FoveaError, InvalidInput, Overloaded, Unavailable
from services.runtime.deadline import within
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.replicas import Replicas
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from tests.fakes.triton import FakeTriton, serving

ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)


@contextmanager
def models_on(fake: FakeTriton, **more: Any) -> Iterator[TritonModels]:
    with serving(fake), closing(TritonModels(TritonSettings(fake.address), ["scale"], **more)) as models:
        yield models


MEANING: list[tuple[StatusCode, str, type[FoveaError], str]] = [
    (StatusCode.UNAVAILABLE, "Request for unknown model: 'scale' is not ready", Unavailable, "MODEL_DOWN"),
    (StatusCode.NOT_FOUND, "Request for unknown model: 'scale' is not found", Unavailable, "MODEL_DOWN"),
    (StatusCode.UNAVAILABLE, "Exceeds maximum queue size", Overloaded, "MODEL_BUSY"),
    (StatusCode.RESOURCE_EXHAUSTED, "too large", Overloaded, "MODEL_BUSY"),
    (StatusCode.UNAVAILABLE, "Request timeout expired", Unavailable, "MODEL_SLOW"),
    (StatusCode.INVALID_ARGUMENT, "out of range", InvalidInput, "TENSOR_VALUE"),
    (StatusCode.INTERNAL, "Stub process 'scale_0' is not healthy", Unavailable, "MODEL_DOWN"),
    (StatusCode.INTERNAL, "division by zero", FoveaError, "MODEL_FAILED"),
]


@pytest.mark.parametrize(("status", "said", "kind", "reason"), MEANING)
def test_an_error_of_the_server_is_one_of_ours(
    status: StatusCode, said: str, kind: type[FoveaError], reason: str
) -> None:
    registry = CollectorRegistry()
    with models_on(FakeTriton(fails=[(status, said)]), metrics=ModelMetrics(registry)) as models:
        with pytest.raises(kind) as caught:
            models.run("scale", {"values": ROWS})
        assert (type(caught.value), caught.value.reason) == (kind, reason)
        np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)

    labels = {"model": "scale", "reason": reason}
    assert registry.get_sample_value("fovea_model_errors_total", labels) == 1


def test_a_batch_too_large_for_the_server_goes_in_parts_and_keeps_its_order() -> None:
    fake = FakeTriton()
    with models_on(fake) as models:
        np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)

    assert [request.inputs[0].shape[0] for request in fake.requests] == [4, 4, 2]


def test_tensors_travel_as_they_lie_in_memory() -> None:
    fake = FakeTriton()
    with models_on(fake) as models:
        models.run("scale", {"values": ROWS[:2]})

    (request,) = fake.requests
    assert list(request.raw_input_contents) == [ROWS[:2].tobytes()]
    assert not request.inputs[0].contents.ListFields()


def test_a_request_waits_in_the_servers_queue_no_longer_than_its_caller() -> None:
    fake = FakeTriton()
    with models_on(fake) as models, within(0.8):
        models.run("scale", {"values": ROWS[:2]})

    assert 0 < fake.requests[0].parameters["timeout"].int64_param <= 800_000


def test_the_version_that_the_configuration_names_is_asked() -> None:
    identities = {f"fovea_identity_{version}": f"scale@{version}" for version in ("1", "9", "10")}
    fake = FakeTriton(ready=("1", "9", "10"), parameters={**identities, "fovea_version": "9"})
    with models_on(fake) as models:
        assert models.identity("scale") == "scale@9"
        models.run("scale", {"values": ROWS[:1]})

    assert fake.requests[0].model_version == "9"


def test_without_such_a_name_it_is_the_newest() -> None:
    identities = {f"fovea_identity_{version}": f"scale@{version}" for version in ("1", "9", "10")}
    with models_on(FakeTriton(ready=("1", "10", "9"), parameters=identities)) as models:
        assert models.identity("scale") == "scale@10"


@pytest.mark.parametrize(
    ("fake", "reason"),
    [
        (FakeTriton(parameters={}), "MODEL_UNNAMED"),
        (FakeTriton(parameters={"fovea_version": "2", "fovea_identity_2": "scale@two"}), "MODEL_DOWN"),
        (FakeTriton(ready=()), "MODEL_DOWN"),
    ],
)
def test_a_model_that_is_half_there_is_not_asked(fake: FakeTriton, reason: str) -> None:
    with models_on(fake) as models, pytest.raises(Unavailable) as caught:
        models.run("scale", {"values": ROWS})

    assert caught.value.reason == reason
    assert fake.requests == []


def test_tensors_without_their_bytes_are_no_answer() -> None:
    with models_on(FakeTriton(without_bytes=True)) as models, pytest.raises(FoveaError) as caught:
        models.run("scale", {"values": ROWS})

    assert caught.value.reason == "MODEL_FAILED"


def test_what_the_server_said_about_a_model_is_asked_once_and_again_after_a_failure() -> None:
    fake = FakeTriton()
    with models_on(fake) as models:
        for _ in range(5):
            models.run("scale", {"values": ROWS})
        assert fake.asked["metadata"] == 1
        fake.fails.append((StatusCode.UNAVAILABLE, "gone"))
        with pytest.raises(Unavailable):
            models.run("scale", {"values": ROWS})
        models.run("scale", {"values": ROWS})

    assert fake.asked["metadata"] == 2


def test_check_asks_every_time() -> None:
    fake = FakeTriton()
    with models_on(fake) as models:
        models.check()
        fake.parameters.clear()
        with pytest.raises(Unavailable):
            models.check()


def test_another_server_is_asked_when_one_does_not_answer_and_then_that_one_first() -> None:
    registry = CollectorRegistry()
    away = [(StatusCode.UNAVAILABLE, "is not ready")]
    with serving(FakeTriton(fails=away)) as one, serving(FakeTriton()) as other:
        settings = TritonSettings(f"{one.address},{other.address}")
        with closing(TritonModels(settings, ["scale"], metrics=ModelMetrics(registry))) as models:
            for _ in range(2):
                np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)

    assert (len(one.requests), len(other.requests)) == (1, 6)
    labels = {"model": "scale", "reason": "MODEL_DOWN"}
    assert registry.get_sample_value("fovea_model_errors_total", labels) == 1


def test_each_server_is_asked_once_before_all_are_called_away() -> None:
    away = [(StatusCode.UNAVAILABLE, "is not ready")]
    with serving(FakeTriton(fails=[*away])) as one, serving(FakeTriton(fails=[*away])) as other:
        settings = TritonSettings(f"{one.address},{other.address}")
        with closing(TritonModels(settings, ["scale"])) as models:
            with pytest.raises(Unavailable):
                models.run("scale", {"values": ROWS})
            np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)


def test_callers_who_find_the_same_server_away_go_to_the_next_one_together() -> None:
    replicas = Replicas("127.0.0.1:1,127.0.0.1:2", None)
    first = replicas.client
    replicas.leave(first)
    second = replicas.client
    replicas.leave(first)

    assert replicas.client is second
    assert second is not first
    replicas.close()
