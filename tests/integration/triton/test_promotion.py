"""Another version of a model, while callers ask: nobody gets a wrong number, a wrong name or an error."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from infra.local import daemons
from infra.local.server import Running, running
from infra.local.triton import TritonServer
from infra.triton.config import Serving
from infra.triton.promotion import Place, promote, retire
from services.kernel.errors import Corrupt, FoveaError
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from tests.fakes.onnx_graphs import write_model

pytestmark = pytest.mark.integration
ROWS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    write_model(tmp_path / "store")
    with running(TritonServer(tmp_path / "store"), tmp_path / "triton") as started:
        yield started


@pytest.fixture
def place(server: Running, tmp_path: Path) -> Place:
    address = server.settings["FOVEA_TRITON_URL"]
    return Place(address, tmp_path / "triton" / "repository", Serving(backend="python"))


def folders(tmp_path: Path) -> tuple[ModelFolder, ModelFolder]:
    second = write_model(tmp_path / "store", version="2", weight=3.0)
    return ModelFolder(tmp_path / "store" / "scale" / "1"), ModelFolder(second)


class Callers:
    """Ask again and again, and count what they see: an identity with its factor, or an error's reason."""

    def __init__(self, models: TritonModels) -> None:
        self._models = models
        self._stop = threading.Event()
        self.seen: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(4)
        self._running = [self._pool.submit(self._ask) for _ in range(4)]

    def end(self) -> Counter[str]:
        self._stop.set()
        for each in self._running:
            each.result()
        self._pool.shutdown()
        return self.seen

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                before = self._models.identity("scale")
                factor = self._models.run("scale", {"values": ROWS})["scaled"] / ROWS
                same = before == self._models.identity("scale")
                self.seen[f"{before} x{factor.mean():.0f}" if same else "changed meanwhile"] += 1
            except FoveaError as error:
                self.seen[f"{error.reason}: {error}"] += 1


def test_a_new_version_takes_over_under_load(place: Place, tmp_path: Path) -> None:
    old, new = folders(tmp_path)
    with closing(TritonModels(TritonSettings(place.address, fresh_s=0.1), ["scale"])) as models:
        callers = Callers(models)
        daemons.wait_until(lambda: callers.seen.total() > 20, "nobody asks", patience_s=20)
        promote(old, new, place)
        daemons.wait_until(
            lambda: callers.seen[f"{new.identity} x3"] > 20, f"only {callers.seen}", patience_s=20
        )
        retire(new, place)
        so_far = callers.seen.total()
        daemons.wait_until(lambda: callers.seen.total() > so_far + 20, "nobody asks", patience_s=20)
        seen = callers.end()

    assert seen.keys() - {"changed meanwhile"} == {f"{old.identity} x2", f"{new.identity} x3"}


def test_a_version_that_gives_other_numbers_there_is_not_given_to_callers(
    place: Place, tmp_path: Path
) -> None:
    old, new = folders(tmp_path)
    target = place.repository / "scale" / "2"
    target.mkdir()
    (target / "model.onnx").write_bytes(old.read_graph())  # as a copy that went wrong
    (target / "identity").write_text(new.identity)

    with pytest.raises(Corrupt, match=new.identity):
        promote(old, new, place)

    with closing(TritonModels(TritonSettings(place.address), ["scale"])) as models:
        assert models.identity("scale") == old.identity
        np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)


def test_a_version_that_cannot_be_loaded_is_not_given_to_callers(place: Place, tmp_path: Path) -> None:
    old, new = folders(tmp_path)
    target = place.repository / "scale" / "2"
    target.mkdir()
    (target / "model.onnx").write_bytes(b"no graph")
    (target / "identity").write_text(new.identity)

    with pytest.raises(FoveaError, match="scale"):
        promote(old, new, place)

    with closing(TritonModels(TritonSettings(place.address), ["scale"])) as models:
        assert models.identity("scale") == old.identity
        np.testing.assert_array_equal(models.run("scale", {"values": ROWS})["scaled"], ROWS * 2)
