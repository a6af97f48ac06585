"""Starts Fovea as a user would, with `fovea serve`, on ports that are free and a data folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 120.0
_GRACE_S = 20.0
_TAIL_LINES = 30


class ServingFailed(Exception):
    """Fovea did not start, or did not go on; the message holds the end of its log."""


@dataclass(frozen=True)
class Serving:
    """A running Fovea.

    Attributes:
        target: Where its gRPC door is: `127.0.0.1:40123`.
        admin: Where its metrics are: `127.0.0.1:40124`.
        pid: Of the process that serves.
        ready_s: Wall time from start to ready.
        folder: Its data, gone when it ends.
    """

    target: str
    admin: str
    pid: int
    ready_s: float
    folder: Path


@contextmanager
def serving(settings: Mapping[str, str] | None = None, *, data: Path | None = None) -> Iterator[Serving]:
    """Start Fovea, and stop it at the end. If anything goes wrong, its folder and log stay.

    Args:
        settings: More environment variables for it.
        data: Its data folder; None: a new one.

    Raises:
        ServingFailed: If it did not get ready.
    """
    folder = Path(tempfile.mkdtemp(prefix="fovea-"))
    environment = {
        **os.environ,
        "FOVEA_PORT": "0",
        "FOVEA_ADMIN_PORT": "0",
        "FOVEA_DATA_FOLDER": str(data or folder / "data"),
        "FOVEA_READY_FILE": str(folder / "ready"),
        **(settings or {}),
    }
    began = time.perf_counter()
    keep = True
    with (folder / "log").open("wb") as log:
        command = [str(Path(sys.executable).with_name("fovea")), "serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            _wait_until_ready(process, folder)
            yield _described(folder, time.perf_counter() - began)
            keep = False
        except KeyboardInterrupt:
            keep = False  # nothing went wrong that one would look into
            raise
        finally:
            _stop(process)
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)


def log_tail(folder: Path) -> str:
    """Return the last lines that a Fovea wrote."""
    lines = (folder / "log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not (folder / "ready").exists():
        if process.poll() is not None:
            raise ServingFailed(
                f"fovea serve ended with code {process.returncode}; {folder}/log ends:\n{log_tail(folder)}"
            )
        if time.monotonic() > deadline:
            raise ServingFailed(
                f"fovea serve was not ready after {_PATIENCE_S:.0f} s; {folder}/log ends:\n{log_tail(folder)}"
            )
        time.sleep(0.02)


def _described(folder: Path, ready_s: float) -> Serving:
    said = json.loads((folder / "ready").read_text())
    target, admin = (f"127.0.0.1:{said[door]}" for door in ("port", "admin_port"))
    return Serving(target, admin, said["pid"], ready_s, folder)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
