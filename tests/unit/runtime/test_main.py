from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.kernel.errors import Conflict
from services.runtime.grpc_channel import Channel, open_channel
from services.runtime.main import exit_code_of
from services.runtime.settings import SettingsError
from tests.fakes import echo

PROGRAM = """
import sys, time
from services.runtime.assembly import Assembly
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process
from services.runtime.settings import ProcessSettings
from tests.fakes.echo import Echo

def slow(request):
    time.sleep(float(request))
    return b"slept"

def main():
    settings = ProcessSettings.load()
    start_logging("encoding", settings)
    run(Process([Assembly("encoding", servicers=(Echo(slow).servicer(),))], settings), settings)

sys.exit(exit_code_of(main))
"""


@contextmanager
def program(tmp_path: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    ready = {"FOVEA_READY_FILE": str(tmp_path / "ready.json"), "FOVEA_PORT": "0", "FOVEA_ADMIN_PORT": "0"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=ready | environ, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def doors(tmp_path: Path) -> Any:
    for _ in range(1000):
        if (tmp_path / "ready.json").exists():
            return json.loads((tmp_path / "ready.json").read_text())
        time.sleep(0.01)
    pytest.fail((tmp_path / "log").read_text())


def later(channel: Channel, request: bytes) -> Any:
    method: Any = channel._inner.unary_unary(echo.UNARY)
    return method.future(request, timeout=60)


def messages(tmp_path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_after_the_call_in_flight(tmp_path: Path, number: signal.Signals) -> None:
    with program(tmp_path) as process:
        with open_channel(f"127.0.0.1:{doors(tmp_path)['port']}") as channel:
            call = later(channel, b"0.5")
            time.sleep(0.2)
            process.send_signal(number)

            assert call.result() == b"slept"
        assert process.wait(10) == 0
    assert not (tmp_path / "ready.json").exists()
    assert [text for text in messages(tmp_path) if "encoding" not in text] == [
        "listening",
        "ready",
        "draining",
        "drained",
    ]


def test_a_second_signal_shortens_the_drain_and_a_hanging_call_does_not_keep_it(tmp_path: Path) -> None:
    with program(tmp_path) as process, open_channel(f"127.0.0.1:{doors(tmp_path)['port']}") as channel:
        call = later(channel, b"60")
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)

        assert process.wait(15) == 0
        assert call.code() is grpc.StatusCode.UNAVAILABLE
    assert "drained, but not all ended in time" in messages(tmp_path)


def test_wrong_settings_are_said_in_plain_words(tmp_path: Path) -> None:
    with program(tmp_path, FOVEA_HOST="0.0.0.0", FOVEA_WORKER_THREADS="many") as process:  # noqa: S104
        assert process.wait(10) == 2
    text = (tmp_path / "log").read_text()
    assert "FOVEA_HOST" in text
    assert "FOVEA_WORKER_THREADS" in text
    assert "Traceback" not in text


def test_a_misspelt_variable_is_warned_of(tmp_path: Path) -> None:
    with program(tmp_path, FOVEA_WORKER_THREDS="2"):
        doors(tmp_path)

    assert any("is FOVEA_WORKER_THREADS meant?" in text for text in messages(tmp_path))


@pytest.mark.parametrize(
    ("error", "code"),
    [(SettingsError("bad"), 2), (Conflict("in use"), 1), (OSError("port"), 1), (ZeroDivisionError(), 1)],
)
def test_what_went_wrong_decides_the_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main() -> None:
        raise error

    monkeypatch.setattr("services.runtime.main._HANGING_S", 3600.0)

    assert exit_code_of(main) == code
