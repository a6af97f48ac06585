"""Two Tritons with the same models: one is killed under load, and no caller notices."""

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
from services.kernel.errors import FoveaError
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from tests.fakes.onnx_graphs import write_model

pytestmark = pytest.mark.integration
ROWS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
CALLERS = 4


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Running]]:
    write_model(tmp_path / "store")
    server = TritonServer(tmp_path / "store")
    with running(server, tmp_path / "one") as one, running(server, tmp_path / "other") as other:
        yield [one, other]


def test_no_caller_notices_that_one_of_two_is_killed(servers: list[Running]) -> None:
    address = ",".join(server.settings["FOVEA_TRITON_URL"] for server in servers)
    seen: Counter[str] = Counter()
    stop = threading.Event()
    with closing(TritonModels(TritonSettings(address), ["scale"])) as models:

        def ask() -> None:
            while not stop.is_set():
                try:
                    found = models.run("scale", {"values": ROWS})["scaled"]
                    seen["right" if np.array_equal(found, ROWS * 2) else "wrong"] += 1
                except FoveaError as error:
                    seen[f"{error.reason}: {error}"] += 1

        with ThreadPoolExecutor(CALLERS) as pool:
            asking = [pool.submit(ask) for _ in range(CALLERS)]
            daemons.wait_until(lambda: seen.total() > 50, "nobody asks", patience_s=30)
            (daemon,) = servers[0].daemons
            daemon.kill()
            so_far = seen.total()
            daemons.wait_until(lambda: seen.total() > so_far + 50, "nobody asks", patience_s=30)
            stop.set()
            for one in asking:
                one.result()

    assert seen.keys() == {"right"}, seen
