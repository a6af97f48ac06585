"""What the environment says of a model on a server, and the ranker that follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from services.ranking.adapters.openai import OpenAiEndpoint
from services.ranking.adapters.remote.opening import open_remote
from services.ranking.adapters.vllm import VllmOnTriton
from services.ranking.assembly import assemble, open_ranker, open_ways
from services.ranking.settings import RankingSettings
from services.runtime.metrics import Metrics
from services.runtime.object_store.folder import FolderStore
from services.runtime.settings import SettingsError

HTTPS = {"REMOTE_RANKER_URL": "https://models.example/v1", "REMOTE_RANKER_MODEL": "a/model"}
TRITON = {
    "REMOTE_RANKER_URL": "grpc://127.0.0.1:8001",
    "REMOTE_RANKER_MODEL": "vllm_model",
    "REMOTE_RANKER_CHAT": "llava",
}
SECRET = "sk-of-nobody-0123456789"  # noqa: S105  (of nobody)


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> RankingSettings:
    for name, value in variables.items():
        monkeypatch.setenv(f"FOVEA_{name}", value)
    return RankingSettings.load()


def test_without_an_address_no_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_remote(loaded(monkeypatch)) is None


def test_grpc_is_vllm_on_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = open_remote(loaded(monkeypatch, **TRITON))

    assert ranker is not None
    assert isinstance(ranker._server, VllmOnTriton)
    assert ranker._server.chat.name == "llava"
    assert ranker._server._settings.guided == "structured_outputs"
    ranker.close()


def test_https_is_chat_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    ranker = open_remote(loaded(monkeypatch, **HTTPS, REMOTE_RANKER_KEY=SECRET))

    assert ranker is not None
    assert isinstance(ranker._server, OpenAiEndpoint)
    assert ranker._server._settings.guided == "none"
    ranker.close()


def test_it_stands_in_place_of_the_model_that_would_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, **HTTPS)

    assert open_ways(settings) is None
    ranker = open_ranker(settings)
    assert type(ranker).__name__ == "RemoteRanker"


def test_the_process_that_opened_it_closes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = loaded(monkeypatch, **HTTPS)
    ranker = open_remote(settings)

    assembly = assemble(settings, FolderStore(tmp_path), ranker, metrics=Metrics(), version="1")

    assert ranker in assembly.background


def test_the_key_may_lie_in_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fovea_remote_ranker_key").write_text(SECRET)
    settings = loaded(monkeypatch, **HTTPS, SECRETS_FOLDER=str(tmp_path))

    assert settings.remote_ranker_key.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"REMOTE_RANKER_URL": "models.example"}, "URL"),
        ({"REMOTE_RANKER_URL": f"https://me:{SECRET}@models.example/v1"}, "URL"),
        ({"REMOTE_RANKER_URL": "https://models.example/v1"}, "MODEL"),
        ({**TRITON, "REMOTE_RANKER_CHAT": ""}, "CHAT"),
        ({**TRITON, "REMOTE_RANKER_CHAT": "llava-9"}, "CHAT"),
        ({**TRITON, "REMOTE_RANKER_KEY": SECRET}, "KEY"),
        ({**HTTPS, "REMOTE_RANKER_CHAT": "llava"}, "CHAT"),
        ({**HTTPS, "REMOTE_RANKER_URL": "http://10.0.0.1/v1", "REMOTE_RANKER_KEY": SECRET}, "KEY"),
        ({**HTTPS, "REMOTE_RANKER_CA_FILE": "/nowhere.pem"}, "CA_FILE"),
        ({**TRITON, "REMOTE_RANKER_CA_FILE": "/nowhere.pem"}, "CA_FILE"),
        ({**HTTPS, "REMOTE_RANKER_GUIDED": "please"}, "GUIDED"),
        ({**HTTPS, "REMOTE_RANKER_TIMEOUT_S": "0"}, "TIMEOUT_S"),
    ],
)
def test_what_cannot_be_is_said_at_the_start_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], field: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(monkeypatch, **variables)

    assert f"FOVEA_REMOTE_RANKER_{field}" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_an_authority_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    grpcs = {**TRITON, "REMOTE_RANKER_URL": "grpcs://127.0.0.1:8001"}
    ranker = open_remote(loaded(monkeypatch, **grpcs, REMOTE_RANKER_CA_FILE=str(tmp_path / "ca.pem")))

    assert ranker is not None
    ranker.close()
