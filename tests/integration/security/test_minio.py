"""An object store behind HTTPS, with an authority of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from infra.local.minio import MinioServer
from infra.local.server import Running, running
from services.kernel.errors import Unavailable
from services.runtime.object_store.minio import MinioStore
from tests.integration.minio.buckets import a_bucket
from tests.integration.security.certificates import certificates

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Place:
    server: Running
    ca: Path
    stranger: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("https")
    mine = certificates(folder / "server", trustme.CA(), "127.0.0.1")
    other = certificates(folder / "other", trustme.CA(), "127.0.0.1")
    with running(MinioServer(certificates=mine.folder), folder / "minio") as server:
        yield Place(server, mine.ca, other.ca)


def test_an_object_comes_back_over_an_encrypted_connection(place: Place) -> None:
    assert place.server.settings["FOVEA_S3_ENDPOINT"].startswith("https://")
    with closing(MinioStore(a_bucket(place.server, ca_file=place.ca))) as store:
        store.put("a/b", b"bytes")

        assert store.get("a/b") == b"bytes"
        assert not store.put_if_absent("a/b", b"others")


def test_a_store_whose_authority_is_unknown_is_not_trusted(place: Place) -> None:
    for ca in (place.stranger, None):
        with closing(MinioStore(a_bucket(place.server, ca_file=ca))) as store:
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
                store.put("a/b", b"bytes")

            assert caught.value.reason == "STORE_NOT_TRUSTED"
            secret = place.server.settings["FOVEA_S3_SECRET_KEY"]
            assert secret not in str(caught.value)
