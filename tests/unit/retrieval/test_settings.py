from __future__ import annotations

from pathlib import Path

import pytest

from services.retrieval.settings import RetrievalSettings
from services.runtime.settings import SettingsError

URI = "http://127.0.0.1:19530"


def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(f"FOVEA_{name}", value)
    with pytest.raises(SettingsError) as refused:
        RetrievalSettings.load()
    return str(refused.value)


def test_the_memory_is_on_the_own_disk_unless_one_says_otherwise() -> None:
    assert RetrievalSettings.load().memory_engine == "segments"


def test_a_memory_on_milvus_needs_to_know_where_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "FOVEA_MILVUS_URI: is missing" in refusal(monkeypatch, MEMORY_ENGINE="milvus")


@pytest.mark.parametrize("name", ["MILVUS_URI", "MILVUS_TOKEN"])
def test_what_is_said_of_a_milvus_that_is_not_used_is_a_mistake(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(monkeypatch, **{name: URI})

    assert said.startswith(f"FOVEA_{name}: is of no use while FOVEA_MEMORY_ENGINE is segments")


@pytest.mark.parametrize(
    "uri", ["10.0.0.1:19530", "milvus.db", "ftp://x", "http://u:p@x:1", "http://x:1/a/b"]
)
def test_an_address_is_a_url_without_a_password(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "FOVEA_MILVUS_URI" in refusal(monkeypatch, MEMORY_ENGINE="milvus", MILVUS_URI=uri)


@pytest.mark.parametrize("uri", [URI, "https://milvus.example:19530/fovea", "https://x/"])
def test_an_address_may_name_a_database(uri: str) -> None:
    assert RetrievalSettings.load(memory_engine="milvus", milvus_uri=uri).milvus_uri == uri


def test_a_certificate_is_of_no_use_without_encryption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(
        monkeypatch, MEMORY_ENGINE="milvus", MILVUS_URI=URI, MILVUS_CA_FILE=str(tmp_path / "none.pem")
    )

    assert "FOVEA_MILVUS_CA_FILE: is of no use while FOVEA_MILVUS_URI begins with http://" in said


def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_MILVUS_TOKEN", "root:hidden")
    settings = RetrievalSettings.load(memory_engine="milvus", milvus_uri=URI)

    assert "hidden" not in repr(settings)
