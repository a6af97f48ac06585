"""A model server behind TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import trustme

from infra.local.server import running
from infra.local.triton import TritonServer
from services.kernel.errors import Unavailable
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from tests.fakes.onnx_graphs import write_model
from tests.integration.security.certificates import certificates

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Place:
    address: str
    ca: Path
    stranger: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("grpcs")
    mine = certificates(folder / "server", trustme.CA(), "127.0.0.1")
    other = certificates(folder / "other", trustme.CA(), "127.0.0.1")
    encrypted = (
        "--grpc-use-ssl=true",
        f"--grpc-server-cert={mine.certificate}",
        f"--grpc-server-key={mine.key}",
    )
    store = folder / "models"
    write_model(store)
    with running(TritonServer(store, arguments=encrypted), folder / "triton") as server:
        yield Place(f"grpcs://{server.settings['FOVEA_TRITON_URL']}", mine.ca, other.ca)


def test_a_model_runs_over_an_encrypted_connection(place: Place) -> None:
    with closing(TritonModels(TritonSettings(place.address, ca_file=place.ca), ["scale"])) as models:
        reply = models.run("scale", {"values": np.ones((2, 3), np.float32)})

        np.testing.assert_array_equal(reply["scaled"], np.full((2, 3), 2, np.float32))


def test_a_server_whose_authority_is_unknown_is_not_trusted(place: Place) -> None:
    settings = TritonSettings(place.address, ca_file=place.stranger, timeout_s=5.0)
    with closing(TritonModels(settings, ["scale"])) as models:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
            models.check()

        assert caught.value.reason == "MODEL_DOWN"
