"""Starts Fovea's own programs for tests, and ends them by their pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

READY_TIMEOUT_S = 180.0


class Program:
    """One process of `python -m MODULE` on ports that the system chose."""

    def __init__(self, module: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / f"{module}.log"
        self._ready_file = folder / f"{module}.ready.json"
        self._ready_file.unlink(missing_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FOVEA_")}
        settings = {
            "FOVEA_PORT": "0",
            "FOVEA_DATA_FOLDER": str(folder / "data"),
            "FOVEA_READY_FILE": str(self._ready_file),
            "FOVEA_RANKING_MODEL": "none",  # a gigabyte and a second an image; tests of ranking say otherwise
        }
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                env={**clean, **settings, **(environment or {})},
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it runs and has said that it can be used."""
        return self.alive and self._ready_file.exists()

    @property
    def target(self) -> str:
        """Where its gRPC door is."""
        return f"127.0.0.1:{self._ready()['port']}"

    @property
    def admin(self) -> str:
        """Where its metrics and health are."""
        return f"http://127.0.0.1:{self._ready()['admin_port']}"

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def wait_ready(self) -> Self:
        end = time.monotonic() + READY_TIMEOUT_S
        while not self._ready_file.exists():
            if not self.alive or time.monotonic() > end:
                raise AssertionError(f"{self.log_file.name} did not become ready:\n{self.log()[-4000:]}")
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and do not wait."""
        self._process.send_signal(number)

    def stop_code(self, *, timeout_s: float = READY_TIMEOUT_S) -> int:
        """Wait until it ends by itself, and return its exit status."""
        return self._process.wait(timeout=timeout_s)

    def _ready(self) -> Mapping[str, int]:
        self.wait_ready()
        ports: Mapping[str, int] = json.loads(self._ready_file.read_text(encoding="utf-8"))
        return ports

    def __enter__(self) -> Self:
        return self.wait_ready()

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.stop()
