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


@pytest.mark.parametrize(("rows", "cores", "parts"), [(4, 2, 2), (5, 4, 4), (1, 2, 1), (3, 1, 1)])
def test_cores_that_are_idle_take_their_share_of_rows_that_take_long(
    tmp_path: Path, rows: int, cores: int, parts: int
) -> None:
    metrics = Metrics()
    given = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)
    folder = ModelFolder(write_model(tmp_path))
    models = OnnxModels([folder], settings=OnnxSettings(concurrent=cores), metrics=metrics.models)
    models._model("scale")._row_s = 1.0

    found = models.run("scale", {"values": given})

    np.testing.assert_array_equal(
        found["scaled"], OnnxModels([folder]).run("scale", {"values": given})["scaled"]
    )
    assert value(metrics.registry, "fovea_model_forward_seconds_count", model="scale") == parts
    assert value(metrics.registry, "fovea_batch_size_sum", model="scale") == rows


def test_rows_that_take_no_time_or_find_all_cores_busy_stay_together(tmp_path: Path) -> None:
    metrics = Metrics()
    models = OnnxModels(
        [ModelFolder(write_model(tmp_path))], settings=OnnxSettings(concurrent=2), metrics=metrics.models
    )
    models.run("scale", {"values": ROWS})
    models.run("scale", {"values": ROWS})
    assert value(metrics.registry, "fovea_model_forward_seconds_count", model="scale") == 2

    models._model("scale")._row_s = 1.0
    with models._model("scale").turn(models._turns):
        models.run("scale", {"values": ROWS})
    assert value(metrics.registry, "fovea_model_forward_seconds_count", model="scale") == 3


@pytest.mark.parametrize("bad", [0, 1])
def test_a_part_that_fails_fails_the_batch_and_gives_all_turns_back(bad: int) -> None:
    name = "all-minilm-l6-v2"
    models = OnnxModels([ModelStore(SHIPPED).open(name)], settings=OnnxSettings(concurrent=2))
    tokens = {"input_ids": np.full((2, 2), 101), "attention_mask": np.ones((2, 2), dtype=np.int64)}
    tokens["input_ids"][bad, 1] = 999_999

    for _ in range(3):
        models._model(name)._row_s = 1.0
        with pytest.raises(InvalidInput):
            models.run(name, tokens)

    assert all(models._turns.acquire(blocking=False) for _ in range(2))


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
