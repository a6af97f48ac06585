from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from services.kernel.errors import Corrupt, DeadlineExceeded, InvalidInput
from services.runtime.deadline import within
from services.runtime.metrics import Metrics
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.onnx import OnnxModels, OnnxSettings
from services.runtime.model_execution.store import ModelStore
from tests.fakes.onnx_graphs import write_model, write_model_with_outside_weights

SHIPPED = Path(__file__).parents[4] / "models" / "store"
ROWS = np.ones((4, 3), dtype=np.float32)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_weights_from_outside_are_fed_to_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    folder = write_model_with_outside_weights(tmp_path / "models", tmp_path / "fovea_more_test_weights")

    reply = OnnxModels([ModelFolder(folder)]).run("outside", {"values": ROWS})

    np.testing.assert_array_equal(reply["scaled"], ROWS * [5, 6, 7])


def test_a_model_is_measured(tmp_path: Path) -> None:
    metrics = Metrics()
    folder = ModelFolder(write_model(tmp_path))
    models = OnnxModels([folder], metrics=metrics.models)
    assert value(metrics.registry, "fovea_model_ready", model="scale") == 0

    models.run("scale", {"values": ROWS})
    with pytest.raises(InvalidInput):
        models.run("scale", {})

    assert value(metrics.registry, "fovea_model_ready", model="scale") == 1
    assert value(metrics.registry, "fovea_model_info", model="scale", digest=folder.digest) == 1
    assert value(metrics.registry, "fovea_model_forward_seconds_count", model="scale") == 1
    assert value(metrics.registry, "fovea_batch_size_sum", model="scale") == 4
    assert value(metrics.registry, "fovea_model_errors_total", model="scale", reason="TENSOR_NAMES") == 1


def test_warming_up_loads_every_model(tmp_path: Path) -> None:
    metrics = Metrics()
    folders = [ModelFolder(write_model(tmp_path, name=name)) for name in ("one", "two")]
    OnnxModels(folders, metrics=metrics.models).warm_up()

    assert value(metrics.registry, "fovea_model_ready", model="one") == 1
    assert value(metrics.registry, "fovea_model_ready", model="two") == 1


def test_many_first_callers_load_a_model_once(tmp_path: Path) -> None:
    models = OnnxModels([ModelFolder(write_model(tmp_path))])
    sessions: list[object] = []
    threads = [
        threading.Thread(target=lambda: sessions.append(models._model("scale")._session())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, sessions))) == 1


def test_a_call_waits_for_its_turn_no_longer_than_it_has_time(tmp_path: Path) -> None:
    models = OnnxModels([ModelFolder(write_model(tmp_path))], settings=OnnxSettings(concurrent=1))
    with models._model("scale").turn(models._turns):
        started = time.monotonic()
        with within(0.1), pytest.raises(DeadlineExceeded, match="busy"):
            models.run("scale", {"values": ROWS})
        assert time.monotonic() - started < 5

    assert len(models.run("scale", {"values": ROWS})["scaled"]) == 4


def test_a_failed_run_gives_its_turn_back(tmp_path: Path) -> None:
    models = OnnxModels([ModelFolder(write_model(tmp_path))], settings=OnnxSettings(concurrent=1))
    for _ in range(3):
        with pytest.raises(InvalidInput):
            models.run("scale", {"values": ROWS[0]})

    assert len(models.run("scale", {"values": ROWS})["scaled"]) == 4


def test_a_graph_that_is_none_is_corrupt(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    text = (folder / "model.toml").read_text()
    (folder / "model.onnx").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    start = text.index('sha256 = "') + len('sha256 = "')
    (folder / "model.toml").write_text(text[:start] + empty + text[start + 64 :])

    with pytest.raises(Corrupt, match="cannot be loaded"):
        OnnxModels([ModelFolder(folder)]).warm_up()


def test_a_description_that_does_not_fit_the_graph_is_corrupt(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    text = (folder / "model.toml").read_text().replace('name = "scaled"', 'name = "shrunk"')
    (folder / "model.toml").write_text(text)

    with pytest.raises(Corrupt, match="shrunk"):
        OnnxModels([ModelFolder(folder)]).warm_up()


def test_a_value_that_a_model_cannot_take_is_the_callers_fault() -> None:
    store = ModelStore(SHIPPED)
    models = OnnxModels([store.open("all-minilm-l6-v2")])
    tokens = {"input_ids": np.array([[101, 999_999]]), "attention_mask": np.ones((1, 2), dtype=np.int64)}

    with pytest.raises(InvalidInput) as caught:
        models.run("all-minilm-l6-v2", tokens)

    assert caught.value.reason == "TENSOR_VALUE"
