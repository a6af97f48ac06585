"""The rendered model repository, read as Triton reads it and run as its backends run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from infra.local.triton import SHIPPED_MODELS
from infra.triton.config import Serving
from infra.triton.repository import render
from services.kernel.errors import Conflict, Corrupt, Unsupported
from services.runtime.model_execution.store import ModelStore
from tests.fakes.onnx_graphs import write_model, write_model_with_outside_weights

ROWS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)


def config(target: Path, name: str) -> Any:
    return text_format.Parse((target / name / "config.pbtxt").read_text(), ModelConfig())


def test_every_shipped_model_is_rendered_for_the_vendors_container(tmp_path: Path) -> None:
    store = ModelStore(SHIPPED_MODELS)
    render(store, tmp_path)

    for name in store.names():
        rendered, folder = config(tmp_path, name), store.open(name)
        assert rendered.name == name
        assert rendered.backend == "onnxruntime"
        assert rendered.max_batch_size > 1
        assert rendered.parameters["fovea_identity_1"].string_value == folder.identity
        assert [tensor.name for tensor in rendered.input] == [spec.name for spec in folder.description.inputs]
        assert [list(tensor.dims) for tensor in rendered.output] == [
            list(spec.shape[1:]) for spec in folder.description.outputs
        ]
        assert rendered.dynamic_batching.default_queue_policy.max_queue_size > 0
        assert rendered.dynamic_batching.default_queue_policy.allow_timeout_override
        assert [warm.batch_size for warm in rendered.model_warmup] == [1, rendered.max_batch_size]
        assert rendered.instance_group[0].count == 1
        assert list(rendered.version_policy.specific.versions) == [1]
        assert not (tmp_path / name / "1" / "model.py").exists()


def test_for_a_server_with_the_python_backend_alone_it_has_a_program(tmp_path: Path) -> None:
    write_model(tmp_path / "store")
    render(ModelStore(tmp_path / "store"), tmp_path / "target", Serving(backend="python", threads=3))

    rendered = config(tmp_path / "target", "scale")
    assert rendered.backend == "python"
    assert rendered.parameters["threads"].string_value == "3"
    assert "class TritonPythonModel" in (tmp_path / "target" / "scale" / "1" / "model.py").read_text()


def test_a_graph_whose_weights_are_outside_finds_them_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    write_model_with_outside_weights(tmp_path / "store", tmp_path / "weights_of_triton_test")
    render(ModelStore(tmp_path / "store"), tmp_path / "target")

    graph = tmp_path / "target" / "outside" / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(["scaled"], {"values": ROWS})[0], ROWS * [5, 6, 7])


def test_weights_that_the_file_lacks_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    folder = write_model_with_outside_weights(tmp_path / "store", tmp_path / "weights_of_triton_test_two")
    toml = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(toml.replace('["weight"]', '["weight", "bias"]'))

    with pytest.raises(Corrupt, match="bias"):
        render(ModelStore(tmp_path / "store"), tmp_path / "target")


def test_rendering_again_touches_nothing_that_triton_would_load_again(tmp_path: Path) -> None:
    write_model(tmp_path / "store")
    store, target = ModelStore(tmp_path / "store"), tmp_path / "target"
    render(store, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    render(store, target)

    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_each_version_says_which_model_it_is(tmp_path: Path) -> None:
    for version, weight in (("1", 2.0), ("2", 3.0), ("10", 4.0)):
        write_model(tmp_path / "store", version=version, weight=weight)
    store = ModelStore(tmp_path / "store")
    render(store, tmp_path / "target", Serving(versions=2))

    rendered = config(tmp_path / "target", "scale")
    assert {key: value.string_value for key, value in rendered.parameters.items() if "fovea" in key} == {
        "fovea_identity_2": store.open("scale", "2").identity,
        "fovea_identity_10": store.open("scale", "10").identity,
        "fovea_version": "10",
    }
    assert list(rendered.version_policy.specific.versions) == [2, 10]


def test_a_version_never_becomes_another_model(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    write_model(tmp_path / "two", weight=3.0)
    render(ModelStore(tmp_path / "one"), tmp_path / "target")

    with pytest.raises(Conflict, match="another version"):
        render(ModelStore(tmp_path / "two"), tmp_path / "target")


@pytest.mark.parametrize("version", ["0", "01", "1.2", "new"])
def test_a_version_that_triton_does_not_take_is_refused(tmp_path: Path, version: str) -> None:
    write_model(tmp_path / "store", version=version)

    with pytest.raises(Unsupported, match="whole numbers"):
        render(ModelStore(tmp_path / "store"), tmp_path / "target")
