"""The Triton adapter against the real server: the same numbers, dynamic batches, and servers that fail."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from infra.local import daemons
from infra.local.server import Running, running
from infra.local.triton import SHIPPED_MODELS, TritonServer
from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Unavailable
from services.runtime.deadline import within
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from tests.fakes.onnx_graphs import write_model

pytestmark = pytest.mark.integration
ROWS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
SHIPPED = ModelStore(SHIPPED_MODELS)


@contextmanager
def opened(server: Running, *names: str, timeout_s: float = 10.0) -> Iterator[TritonModels]:
    settings = TritonSettings(server.settings["FOVEA_TRITON_URL"], timeout_s)
    with closing(TritonModels(settings, names or ["scale"])) as models:
        yield models


@contextmanager
def control(server: Running) -> Iterator[InferenceServerClient]:
    with closing(InferenceServerClient(server.settings["FOVEA_TRITON_URL"])) as client:
        yield client


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    write_model(tmp_path / "store")
    with running(TritonServer(tmp_path / "store"), tmp_path / "triton") as server:
        yield server


_LOOK = {"embeddings": (389,), "names": (640,), "patches": (7, 7, 128), "odd": (285,), "pixels": (28, 28, 3)}


def batch_of(name: str, size: int, random: np.random.Generator) -> Mapping[str, np.ndarray]:
    if name in {"all-minilm-l6-v2", "fovea-text"}:
        mask = np.ones((size, 12), dtype=np.int64)
        mask[: size // 2, 7:] = 0
        return {"input_ids": random.integers(0, 30_000, (size, 12)), "attention_mask": mask}
    if name == "conse-imagenet-minilm":
        return {"logits": random.normal(0, 3, (size, 1000)).astype(np.float32)}
    if name == "fovea-local":
        return {"tiles": random.integers(0, 256, (size, 224, 224, 3), dtype=np.uint8)}
    if name in {"fovea-ranker", "fovea-detector"}:
        return _asked(size, random) if name == "fovea-ranker" else _searched(size, random)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "fovea-projector": {"embeddings": (size, 389), "names": (size, 640)},
        "fovea-detector-text": {"queries": (size, 100, 640), "offsets": (size, 100), "texts": (size, 5, 640)},
        "fovea-pairs": {
            f"{side}_{name}": (size, *shape)
            for side in ("query", "exemplar")
            for name, shape in _LOOK.items()
        },
        "fovea-regions": {
            "local": (size, 56, 28, 128),
            "overview": (size, 28, 28, 128),
            "points": (size, 3, 64, 3),
        },
    }
    if name in shapes:
        return {key: random.random(shape, dtype=np.float32) for key, shape in shapes[name].items()}
    return {"crops": random.integers(0, 256, (size, 224, 224, 3), dtype=np.uint8)}


def _asked(size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return prompts of chance: each with two picture tokens, and half of them padded behind."""
    tokens = 9
    mask = np.tril(np.ones((size, tokens, tokens), dtype=np.bool_))
    mask[: size // 2, 6:] = np.eye(tokens, dtype=np.bool_)[6:]
    places = np.full((size, tokens), -1, dtype=np.int64)
    places[:, 1:3] = [0, 1]
    return {
        "input_ids": random.integers(0, 49_152, (size, tokens)),
        "positions": np.arange(tokens)[None].repeat(size, axis=0),
        "mask": mask,
        "image_tokens": random.normal(0, 0.1, (size, 2, 576)).astype(np.float32),
        "image_places": places,
        "reads": np.full((size, 1), 5, dtype=np.int64),
        "choices": random.integers(0, 49_152, (size, 1, 4)),
    }


def _searched(size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    sentences = random.normal(0, 1, (size, 2, 640)).astype(np.float32)
    return {"images": _drawn(size, random), "sentences": sentences}


def _drawn(size: int, random: np.random.Generator) -> np.ndarray:
    """Return pictures of rectangles: in noise proposals are so alike that rounding chooses among them."""
    pictures = np.full((size, 384, 384, 3), 127, dtype=np.uint8)
    for picture in pictures:
        for left, top, width, height in random.integers(20, 180, (12, 4)).tolist():
            picture[top : top + height, left : left + width] = random.integers(0, 256, 3)
    return pictures


def raised(call: Callable[[], object]) -> FoveaError | None:
    try:
        call()
    except FoveaError as error:
        return error
    return None


@pytest.mark.parametrize("name", SHIPPED.names())
@pytest.mark.parametrize("size", [1, 5, 40])
def test_the_shipped_models_give_the_same_here_and_there(
    triton_server: Running, name: str, size: int
) -> None:
    batch = batch_of(name, size, np.random.default_rng(size))
    here = OnnxModels([SHIPPED.open(name)])
    with opened(triton_server, name) as there:
        assert there.identity(name) == here.identity(name)
        expected, found = here.run(name, batch), there.run(name, batch)

    assert found.keys() == expected.keys()
    for output, values in expected.items():
        np.testing.assert_allclose(found[output], values, atol=1e-4)


def test_sixteen_callers_share_forward_passes(
    triton_server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    name, calls = "efficientnet-lite0", 160
    random = np.random.default_rng(1)
    crops = [batch_of(name, 1, random) for _ in range(16)]
    with (
        opened(triton_server, name) as models,
        control(triton_server) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        alone = [models.run(name, crop)["embeddings"] for crop in crops]
        before = client.get_inference_statistics(name).model_stats[0]
        started = time.perf_counter()
        replies = list(pool.map(lambda n: models.run(name, crops[n % 16])["embeddings"], range(calls)))
        took_s = time.perf_counter() - started
        after = client.get_inference_statistics(name).model_stats[0]

    items = after.inference_count - before.inference_count
    passes = after.execution_count - before.execution_count
    with capsys.disabled():
        print(  # noqa: T201
            f"\n16 callers: {items} images in {passes} forward passes, mean batch {items / passes:.1f}, "
            f"{items / took_s:.0f} images/s"
        )
    assert items == calls
    assert items / passes > 1
    for number, reply in enumerate(replies):
        np.testing.assert_allclose(reply, alone[number % 16], atol=1e-4)


def test_in_a_shared_forward_pass_only_the_one_that_is_wrong_fails(triton_server: Running) -> None:
    def tokens(value: int) -> Mapping[str, np.ndarray]:
        ids = np.full((1, 6), value, dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    with opened(triton_server, "all-minilm-l6-v2") as models, ThreadPoolExecutor(16) as pool:
        calls = [tokens(40_000 if number % 8 == 0 else 100 + number) for number in range(64)]
        errors = list(pool.map(lambda call: raised(lambda: models.run("all-minilm-l6-v2", call)), calls))

    for number, error in enumerate(errors):
        assert isinstance(error, InvalidInput) if number % 8 == 0 else error is None


def test_a_killed_server_is_unavailable_and_used_again_when_it_is_back(own_server: Running) -> None:
    (daemon,) = own_server.daemons
    with opened(own_server) as models:
        identity = models.identity("scale")
        models.run("scale", {"values": ROWS})
        daemon.kill()
        assert isinstance(raised(lambda: models.run("scale", {"values": ROWS})), Unavailable)
        assert isinstance(raised(lambda: models.identity("scale")), Unavailable)
        assert isinstance(raised(models.check), Unavailable)

        again = daemons.start(daemon.program)
        try:
            daemons.wait_ready(again, lambda: raised(models.check) is None)
            np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)
            assert models.identity("scale") == identity
        finally:
            again.stop()


def test_a_server_that_does_not_answer_costs_a_caller_no_more_than_its_time(own_server: Running) -> None:
    (daemon,) = own_server.daemons
    with opened(own_server, timeout_s=0.5) as models:
        models.run("scale", {"values": ROWS})
        daemon.pause()
        started = time.monotonic()
        with within(0.2):
            assert isinstance(raised(lambda: models.run("scale", {"values": ROWS})), DeadlineExceeded)
        assert time.monotonic() - started < 2
        slow = raised(lambda: models.run("scale", {"values": ROWS}))
        assert isinstance(slow, Unavailable)
        assert slow.reason == "MODEL_SLOW"
        daemon.send(signal.SIGCONT)
        daemons.wait_until(lambda: raised(models.check) is None, "", patience_s=20)
        models.run("scale", {"values": ROWS})


def test_an_unloaded_model_is_unavailable_not_unknown(own_server: Running) -> None:
    with opened(own_server) as models, control(own_server) as client:
        client.unload_model("scale")
        daemons.wait_until(
            lambda: isinstance(raised(lambda: models.run("scale", {"values": ROWS})), Unavailable),
            "still loaded",
            patience_s=20,
        )
        client.load_model("scale")
        models.run("scale", {"values": ROWS})


def test_another_model_than_the_expected_is_unavailable(triton_server: Running) -> None:
    settings = TritonSettings(triton_server.settings["FOVEA_TRITON_URL"])
    with closing(TritonModels(settings, ["scale"], expected={"scale": "scale@0123"})) as models:
        error = raised(lambda: models.identity("scale"))

    assert isinstance(error, Unavailable)
    assert error.reason == "MODEL_OTHER"


def test_without_a_server_it_can_be_made_and_says_so_when_used() -> None:
    (port,) = daemons.free_ports(1)
    with closing(TritonModels(TritonSettings(f"127.0.0.1:{port}"), ["scale"])) as models:
        assert isinstance(raised(lambda: models.identity("scale")), Unavailable)
