from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from services.kernel.limits import LIMITS
from services.runtime.settings import ProcessSettings, SettingsError, misspelt
from services.runtime.tls import Tls


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


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


def test_kafka_is_told_whom_to_trust_and_who_signs_in(authority: Path) -> None:
    settings = ProcessSettings.load(
        kafka_security="SASL_SSL",
        kafka_ca_file=authority,
        kafka_user="fovea",
        kafka_password="hush",  # noqa: S106
    )

    assert settings.kafka_tls == Tls(authority)
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kafka_password": "hush"}, "FOVEA_KAFKA_PASSWORD: is of no use while .* PLAINTEXT"),
        ({"kafka_ca_file": "ca.pem"}, "FOVEA_KAFKA_CA_FILE: is of no use .* nothing is encrypted"),
        ({"kafka_security": "SSL", "kafka_user": "me"}, "FOVEA_KAFKA_USER: .*SASL_SSL signs in"),
        ({"kafka_security": "SASL_SSL", "kafka_user": "me"}, "FOVEA_KAFKA_PASSWORD: is missing"),
        ({"kafka_security": "SASL_PLAINTEXT"}, "FOVEA_KAFKA_SECURITY: .*'PLAINTEXT', 'SSL' or 'SASL_SSL'"),
        (
            {"kafka_security": "SSL", "kafka_ca_file": "nowhere"},
            "FOVEA_KAFKA_CA_FILE: nowhere cannot be read",
        ),
        ({"kafka_security": "SSL", "kafka_key_file": "k"}, "FOVEA_KAFKA_CERTIFICATE_FILE: .*go together"),
        ({"s3_endpoint": "http://s3", "s3_ca_file": "ca"}, "FOVEA_S3_CA_FILE: is of no use .*http://"),
        ({"s3_endpoint": "https://s3", "s3_ca_file": "ca"}, "FOVEA_S3_CA_FILE: ca cannot be read"),
        ({"secrets_folder": "nowhere"}, "FOVEA_SECRETS_FOLDER: there is no folder nowhere"),
    ],
)
def test_what_looks_like_protection_and_is_none_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        ProcessSettings.load(**given)

    assert "hush" not in str(caught.value)


def test_secrets_may_be_files_and_variables_win_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fovea_s3_secret_key").write_text("of the file\n")
    (tmp_path / "fovea_s3_access_key").write_text("of the file")
    monkeypatch.setenv("FOVEA_SECRETS_FOLDER", str(tmp_path))
    monkeypatch.setenv("FOVEA_S3_ACCESS_KEY", "of the variable")

    settings = ProcessSettings.load()

    assert settings.s3_secret_key.get_secret_value() == "of the file"
    assert settings.s3_access_key == "of the variable"
