"""What every ModelExecution must do. The fake and the real one both pass this file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from infra.local.server import Running
from services.kernel.errors import DeadlineExceeded, InvalidInput, NotFound
from services.runtime.deadline import within
from services.runtime.model_execution.folder import ModelFolder, TensorSpec
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from tests.fakes.models import FunctionModels
from tests.fakes.onnx_graphs import write_model

ROWS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
VALUES = TensorSpec(name="values", dtype="FP32", shape=(-1, 3), layout="batch, value", range=(-1.0, 1.0))


@pytest.fixture(params=["fake", "onnx", pytest.param("triton", marks=pytest.mark.integration)])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModelExecution]:
    if request.param == "triton":
        server: Running = request.getfixturevalue("triton_server")
        with closing(TritonModels(TritonSettings(server.settings["FOVEA_TRITON_URL"]), ["scale"])) as models:
            yield models
    elif request.param == "onnx":
        yield OnnxModels([ModelFolder(write_model(tmp_path))])
    else:
        yield FunctionModels({"scale": lambda given: {"scaled": given["values"] * 2}}, {"scale": (VALUES,)})


def test_it_is_a_model_execution(models: ModelExecution) -> None:
    assert isinstance(models, ModelExecution)


def test_a_batch_keeps_its_order(models: ModelExecution) -> None:
    reply = models.run("scale", {"values": ROWS})

    assert set(reply) == {"scaled"}
    assert reply["scaled"].dtype == np.float32
    np.testing.assert_array_equal(reply["scaled"], ROWS * 2)


def test_a_row_gives_the_same_in_every_batch(models: ModelExecution) -> None:
    alone = models.run("scale", {"values": ROWS[1:]})["scaled"]

    np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"][1:], alone)


def test_a_view_that_is_not_contiguous_is_taken_as_it_looks(models: ModelExecution) -> None:
    reversed_rows = ROWS[::-1]

    np.testing.assert_array_equal(models.run("scale", {"values": reversed_rows})["scaled"], reversed_rows * 2)


def test_many_threads_each_get_their_own_answer(models: ModelExecution) -> None:
    def run(number: int) -> bool:
        rows = np.full((4, 3), number, dtype=np.float32)
        return bool((models.run("scale", {"values": rows})["scaled"] == 2 * number).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(100)))


def test_an_identity_names_the_model_and_a_digest(models: ModelExecution) -> None:
    name, _, digest = models.identity("scale").partition("@")

    assert name == "scale"
    assert digest
    assert models.identity("scale") == models.identity("scale")


def test_an_unknown_model_is_not_found(models: ModelExecution) -> None:
    with pytest.raises(NotFound, match="nothing"):
        models.run("nothing", {"values": ROWS})
    with pytest.raises(NotFound, match="nothing"):
        models.identity("nothing")


@pytest.mark.parametrize(
    ("tensors", "field"),
    [
        ({}, ""),
        ({"wrong": ROWS}, ""),
        ({"values": ROWS, "more": ROWS}, ""),
        ({"values": ROWS.astype(np.float64)}, "values"),
        ({"values": ROWS[:, :2]}, "values"),
        ({"values": ROWS[0]}, "values"),
        ({"values": ROWS[None]}, "values"),
        ({"values": ROWS[:0]}, ""),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(
    models: ModelExecution, tensors: dict[str, np.ndarray], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        models.run("scale", tensors)

    assert caught.value.field == field


def test_nothing_is_run_for_a_caller_whose_time_is_used_up(models: ModelExecution) -> None:
    with within(0.001):
        time.sleep(0.005)
        with pytest.raises(DeadlineExceeded):
            models.run("scale", {"values": ROWS})
