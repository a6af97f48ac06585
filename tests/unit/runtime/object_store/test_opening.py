from __future__ import annotations

from pathlib import Path

import pytest

from services.kernel.errors import Unavailable
from services.runtime.object_store.folder import FolderStore
from services.runtime.object_store.minio import MinioStore
from services.runtime.object_store.opening import open_store
from services.runtime.settings import ProcessSettings, SettingsError


def test_without_an_endpoint_objects_are_in_the_folder(tmp_path: Path) -> None:
    with open_store(ProcessSettings.load(), tmp_path) as store:
        assert isinstance(store, FolderStore)
        store.put("a", b"x")
    with open_store(ProcessSettings.load(), tmp_path) as store:
        assert store.get("a") == b"x"


def test_with_one_they_are_there_and_a_server_that_is_down_keeps_nobody_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("FOVEA_S3_ACCESS_KEY", "somebody")
    monkeypatch.setenv("FOVEA_S3_SECRET_KEY", "a-great-secret")
    settings = ProcessSettings.load()

    with open_store(settings, tmp_path) as store:
        assert isinstance(store, MinioStore)
        with pytest.raises(Unavailable) as caught:
            store.get("a")
    assert "a-great-secret" not in f"{settings!r} {settings} {caught.value!r} {caught.value.__cause__!r}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://a", "http://", "http://a/b"])
def test_an_endpoint_is_the_url_of_a_host(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="FOVEA_S3_ENDPOINT"):
        ProcessSettings.load(s3_endpoint=endpoint)
