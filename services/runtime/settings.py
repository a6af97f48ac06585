"""What every process can be told through its environment, read once when it starts.

A field `data_folder` is the variable `FOVEA_DATA_FOLDER`, and the same name in chart values. docs/settings.md
lists all of them: `python -m infra.settings` writes it.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.runtime.tls import Tls

PREFIX: Final = "FOVEA_"
_ADMIN_OFFSET: Final = 1000
S = TypeVar("S", bound="ProcessSettings")
KafkaSecurity = Literal["PLAINTEXT", "SSL", "SASL_SSL"]
KafkaMechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]
_MOST_SOCKET_BYTES: Final = 107  # sun_path of Linux, without its final zero


class SettingsError(Exception):
    """The environment says something that cannot be; each line names a variable and what is wrong."""


class ProcessSettings(BaseSettings):
    """What every process needs; a service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    host: str = Field(default="127.0.0.1", description="address of the gRPC and admin doors; loopback only")
    port: int = Field(default=8500, ge=0, le=65535, description="gRPC port; 0 lets the system choose")
    admin_port: int | None = Field(
        default=None, ge=0, le=65535, description="HTTP port of metrics and health; default: port + 1000"
    )
    socket_path: Path | None = Field(default=None, description="Unix socket that serves gRPC as well")
    data_folder: Path = Field(default=Path("fovea-data"), description="where this process keeps its data")
    object_folder: Path | None = Field(
        default=None, description="where objects are; processes may share it; default: with the data"
    )
    kafka_servers: str = Field(
        default="",
        pattern=r"^([^:,\s]+:\d+(,[^:,\s]+:\d+)*)?$",
        description="event log shared by processes, such as 10.0.0.1:9092,10.0.0.2:9092, in place of a file",
    )
    kafka_security: KafkaSecurity = Field(
        default="PLAINTEXT",
        description="SSL encrypts and checks who the brokers are, SASL_SSL signs in with a password as well",
    )
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM: who vouches for the brokers; default: whom the system trusts"
    )
    kafka_certificate_file: Path | None = Field(
        default=None, description="PEM: this client's certificate, where brokers ask for one"
    )
    kafka_key_file: Path | None = Field(default=None, description="PEM: its private key, without a password")
    kafka_mechanism: KafkaMechanism = Field(
        default="SCRAM-SHA-512", description="how SASL_SSL proves the password"
    )
    kafka_user: str = Field(default="", description="who signs in, with SASL_SSL")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="and their password; never shown")
    s3_endpoint: str = Field(
        default="",
        pattern="^(https?://[^/]+/?)?$",
        description="object store such as http://127.0.0.1:9000, in place of a folder",
    )
    s3_bucket: str = Field(
        default="fovea", min_length=3, max_length=63, description="where in it; made if new"
    )
    s3_region: str = Field(default="us-east-1", description="as the object store has it")
    s3_access_key: str = Field(default="", description="who asks the object store")
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="and their secret; never shown")
    s3_ca_file: Path | None = Field(
        default=None, description="PEM: who vouches for an https endpoint; default: whom the system trusts"
    )
    s3_timeout_s: float = Field(default=10.0, gt=0, description="the longest that one call of it may take")
    secrets_folder: Path | None = Field(
        default=None,
        description="its files are named like variables, such as fovea_s3_secret_key, and hold their values",
    )
    ready_file: Path | None = Field(default=None, description="written with the ports when ready")
    otlp_endpoint: str = Field(
        default="",
        pattern="^(https?://[^/]+/?)?$",
        description="collector of traces (OTLP over gRPC), such as http://127.0.0.1:4317; empty: no traces",
    )
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="share of new traces that are sampled; headers win over it"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="the least that is logged: DEBUG, INFO, WARNING or ERROR"
    )
    drain_wait_s: float = Field(
        default=0.0, ge=0, description="between not ready and refusing calls, for load balancers to notice"
    )
    drain_grace_s: float = Field(default=30.0, ge=0, description="how long calls in flight may take to end")
    worker_threads: int = Field(default=16, ge=1, le=1024, description="unary calls at work, a service")
    queued_calls: int = Field(default=256, ge=0, description="unary calls that may wait for a worker")
    stream_threads: int = Field(default=64, ge=1, le=4096, description="open streams, a service")
    message_wait_s: float = Field(
        default=30.0, gt=0, description="how long a caller may take to send the message of a call"
    )
    message_bytes: int = Field(
        default=LIMITS.message_bytes, ge=65536, description="largest gRPC message, sent or received"
    )

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if is_loopback(host):
            return host
        raise ValueError("is not a loopback address; without authentication Fovea listens on loopback only")

    @field_validator("socket_path")
    @classmethod
    def _short_enough(cls, path: Path | None) -> Path | None:
        if path is not None and len(os.fsencode(path.absolute())) > _MOST_SOCKET_BYTES:
            raise ValueError(f"is longer than the {_MOST_SOCKET_BYTES} bytes that a Unix socket may have")
        return path

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @model_validator(mode="after")
    def _protected_as_said(self: S) -> S:  # noqa: PYI019  (beartype cannot check Self)
        """Refuse what looks like protection and is none."""
        if problems := [*_kafka_problems(self), *_s3_problems(self)]:
            raise ValueError("\n".join(problems))
        return self

    @property
    def kafka_tls(self) -> Tls:
        """Whom to trust among brokers, and what to show them."""
        return Tls(self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file)

    @property
    def effective_admin_port(self) -> int:
        """The admin port: the one given, or port + 1000, or the system's choice with port 0."""
        if self.admin_port is not None:
            return self.admin_port
        return min(self.port + _ADMIN_OFFSET, 65535) if self.port else 0

    @classmethod
    def load(cls: type[S], **given: Any) -> S:  # noqa: PYI019  (beartype cannot check Self)
        """Read the environment, then the folder of secrets; `given` values win over both.

        Raises:
            SettingsError: Names every variable that is wrong, and why.
        """
        secrets = given.get("secrets_folder") or os.environ.get(f"{PREFIX}SECRETS_FOLDER") or None
        if secrets is not None and not Path(secrets).is_dir():
            raise SettingsError(f"{PREFIX}SECRETS_FOLDER: there is no folder {secrets}")
        try:
            return cls(_secrets_dir=secrets, **given)
        except ValidationError as error:
            raise SettingsError("\n".join(_explained(error))) from None


def misspelt(known: Iterable[str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the FOVEA_ variables that nothing reads but that look like a field, with the name meant.

    Processes share one environment, so an unknown name alone is no error.
    """
    names = {PREFIX + field.upper() for field in known}
    strangers = [name for name in environ if name.startswith(PREFIX) and name not in names]
    near = {name: difflib.get_close_matches(name, names, n=1, cutoff=0.85) for name in strangers}
    return {name: match[0] for name, match in near.items() if match}


def tls_problems(tls: Tls, prefix: str) -> Iterator[str]:
    """Yield what is wrong with files of certificates and keys, for fields that begin with `prefix`."""
    try:
        tls.context()
    except InvalidInput as error:
        yield problem(prefix + error.field, error.message)


def problem(field: str, what: str) -> str:
    """Return a line of a SettingsError."""
    return f"{PREFIX}{field.upper()}: {what}"


def _kafka_problems(settings: ProcessSettings) -> Iterator[str]:
    security = settings.kafka_security
    files = ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file")
    if security == "PLAINTEXT":
        for name in files:
            if getattr(settings, name) is not None:
                yield problem(
                    name, "is of no use while FOVEA_KAFKA_SECURITY is PLAINTEXT: nothing is encrypted"
                )
    else:
        yield from tls_problems(settings.kafka_tls, "kafka_")
    for name in ("kafka_user", "kafka_password"):
        given = bool(getattr(settings, name))
        if given and security != "SASL_SSL":
            yield problem(name, f"is of no use while FOVEA_KAFKA_SECURITY is {security}; SASL_SSL signs in")
        if security == "SASL_SSL" and not given:
            yield problem(name, "is missing; FOVEA_KAFKA_SECURITY=SASL_SSL signs in with user and password")


def _s3_problems(settings: ProcessSettings) -> Iterator[str]:
    if settings.s3_ca_file is None:
        return
    if settings.s3_endpoint.startswith("http://"):
        yield problem("s3_ca_file", "is of no use while FOVEA_S3_ENDPOINT begins with http://")
    yield from tls_problems(Tls(settings.s3_ca_file), "s3_")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, whatever names mean elsewhere."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _explained(error: ValidationError) -> Iterable[str]:
    for found in error.errors(include_url=False, include_context=False):
        what = found["msg"].removeprefix("Value error, ")
        if not found["loc"]:  # of several fields; says itself which, and the input would be all of them
            yield what
            continue
        shown = repr(found["input"])[:100]
        yield problem("_".join(str(part) for part in found["loc"]), f"{what} (it is {shown})")
