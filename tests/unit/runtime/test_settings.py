from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.kernel.limits import LIMITS
from services.runtime.settings import ProcessSettings, SettingsError, misspelt


class EncodingSettings(ProcessSettings):
    port: int = 8502
    batch: int = 8


def test_without_an_environment_the_defaults_hold() -> None:
    settings = ProcessSettings.load()

    assert (settings.host, settings.port, settings.effective_admin_port) == ("127.0.0.1", 8500, 9500)
    assert settings.message_bytes == LIMITS.message_bytes


def test_a_field_is_a_variable_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_DATA_FOLDER", "/somewhere")
    monkeypatch.setenv("FOVEA_BATCH", "4")
    monkeypatch.setenv("FOVEA_LOG_LEVEL", "debug")

    settings = EncodingSettings.load(port=9)

    assert settings.data_folder == Path("/somewhere")
    assert (settings.batch, settings.port, settings.log_level) == (4, 9, "DEBUG")


@pytest.mark.parametrize(
    ("port", "admin", "expected"), [(8502, None, 9502), (0, None, 0), (1, 2, 2), (65535, None, 65535)]
)
def test_the_admin_port_is_a_thousand_higher(port: int, admin: int | None, expected: int) -> None:
    assert ProcessSettings(port=port, admin_port=admin).effective_admin_port == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_it_listens_on_loopback(host: str) -> None:
    assert ProcessSettings.load(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])  # noqa: S104
def test_it_listens_nowhere_else_and_says_why(host: str) -> None:
    with pytest.raises(SettingsError, match=r"FOVEA_HOST: .*loopback"):
        ProcessSettings.load(host=host)


def test_every_wrong_variable_is_named_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_PORT", "eighty")
    monkeypatch.setenv("FOVEA_WORKER_THREADS", "0")
    monkeypatch.setenv("FOVEA_LOG_LEVEL", "loud")

    with pytest.raises(SettingsError) as caught:
        ProcessSettings.load()

    port, level, threads = sorted(
        str(caught.value).splitlines(), key=lambda line: line.split(":")[0][6:8] != "PO"
    )
    assert "FOVEA_PORT" in port
    assert "'eighty'" in port
    assert "FOVEA_LOG_LEVEL" in level + threads
    assert "FOVEA_WORKER_THREADS" in level + threads


def test_a_socket_path_must_be_one_that_the_system_takes(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FOVEA_SOCKET_PATH"):
        ProcessSettings.load(socket_path=tmp_path / ("x" * 120))


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        ProcessSettings().port = 1  # type: ignore[misc]


def test_a_misspelt_variable_is_found_and_a_stranger_is_left_alone() -> None:
    environ = {"FOVEA_DATA_FOLDR": "x", "FOVEA_SOMETHING_ELSE": "y", "FOVEA_PORT": "1", "HOME": "/"}

    assert misspelt(ProcessSettings.model_fields, environ) == {"FOVEA_DATA_FOLDR": "FOVEA_DATA_FOLDER"}
