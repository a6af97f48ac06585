"""A container asks whether its service is ready by running this program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.runtime.admin import AdminServer


@contextmanager
def service(ready_file: Path, unready: dict[str, str]) -> Iterator[None]:
    admin = AdminServer("127.0.0.1", 0, CollectorRegistry(), lambda: unready)
    admin.start()
    ready_file.write_text(json.dumps({"admin_port": admin.port}))
    try:
        yield
    finally:
        admin.close()


def ask(ready_file: Path | str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "services.runtime.healthy"],
        env={**os.environ, "FOVEA_READY_FILE": str(ready_file)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_a_service_that_is_ready_is_healthy(tmp_path: Path) -> None:
    with service(tmp_path / "ready.json", {}):
        assert ask(tmp_path / "ready.json") == (0, "")


def test_a_service_that_is_not_ready_any_more_says_why(tmp_path: Path) -> None:
    with service(tmp_path / "ready.json", {"encoding": "Triton is down"}):
        code, said = ask(tmp_path / "ready.json")

    assert code == 1
    assert "Triton is down" in said


def test_one_that_never_was_or_is_gone_is_not_healthy(tmp_path: Path) -> None:
    with service(tmp_path / "ready.json", {}):
        pass

    assert ask(tmp_path / "ready.json")[0] == 1
    assert "never been ready" in ask(tmp_path / "nowhere.json")[1]
    assert "FOVEA_READY_FILE is not set" in ask("")[1]
