"""What every process can be told through its environment, read once when it starts.

A field `data_folder` is the variable `FOVEA_DATA_FOLDER`, and the same name in chart values.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kernel.limits import LIMITS

PREFIX: Final = "FOVEA_"
_ADMIN_OFFSET: Final = 1000
S = TypeVar("S", bound="ProcessSettings")
_MOST_SOCKET_BYTES: Final = 107  # sun_path of Linux, without its final zero


class SettingsError(Exception):
    """The environment says something that cannot be; each line names a variable and what is wrong."""


class ProcessSettings(BaseSettings):
    """What every process needs; a service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, validate_default=True
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
    s3_timeout_s: float = Field(default=10.0, gt=0, description="the longest that one call of it may take")
    ready_file: Path | None = Field(default=None, description="written with the ports when ready")
    otlp_endpoint: str = Field(
        default="",
        pattern="^(https?://[^/]+/?)?$",
        description="collector of traces (OTLP over gRPC), such as http://127.0.0.1:4317; empty: no traces",
    )
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="share of new traces that are sampled; headers win over it"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO")
    drain_wait_s: float = Field(
        default=0.0, ge=0, description="between not ready and refusing calls, for load balancers to notice"
    )
    drain_grace_s: float = Field(default=30.0, ge=0, description="how long calls in flight may take to end")
    worker_threads: int = Field(default=16, ge=1, le=1024, description="unary calls at work, a service")
    queued_calls: int = Field(default=256, ge=0, description="unary calls that may wait for a worker")
    stream_threads: int = Field(default=64, ge=1, le=4096, description="open streams, a service")
    message_bytes: int = Field(
        default=LIMITS.message_bytes, ge=65536, description="largest gRPC message, sent or received"
    )

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if host == "localhost" or _is_loopback(host):
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

    @property
    def effective_admin_port(self) -> int:
        """The admin port: the one given, or port + 1000, or the system's choice with port 0."""
        if self.admin_port is not None:
            return self.admin_port
        return min(self.port + _ADMIN_OFFSET, 65535) if self.port else 0

    @classmethod
    def load(cls: type[S], **given: Any) -> S:  # noqa: PYI019  (beartype cannot check Self)
        """Read the environment; `given` values win over it.

        Raises:
            SettingsError: Names every variable that is wrong, and why.
        """
        try:
            return cls(**given)
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _explained(error: ValidationError) -> Iterable[str]:
    for problem in error.errors(include_url=False, include_context=False):
        variable = PREFIX + "_".join(str(part) for part in problem["loc"]).upper()
        what = problem["msg"].removeprefix("Value error, ")
        shown = repr(problem["input"])[:100]
        yield f"{variable}: {what} (it is {shown})"
