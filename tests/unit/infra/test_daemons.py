"""Programs in the background are found again, ended for good, and never taken for others."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import daemons
from infra.local.daemons import Daemon, LocalError, Program

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
_OUTGOING = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()[0])
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


def python(folder: Path, code: str, *, stop_s: float = 10.0) -> Program:
    return Program("program", [sys.executable, "-c", code], folder, stop_s=stop_s)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Daemon]:
    daemon = daemons.start(python(tmp_path, SLEEPS))
    yield daemon
    daemon.kill()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Daemon]:
    work = "threading.Thread(target=lambda: sum(0 for _ in itertools.count())).start()"
    daemon = daemons.start(python(tmp_path, f"import itertools, threading; [{work} for _ in range(8)]"))
    yield daemon
    daemon.kill()


def says_up(daemon: Daemon) -> bool:
    return "up" in daemon.program.log.read_text()


def test_a_daemon_lives_until_it_is_stopped(sleeper: Daemon) -> None:
    assert sleeper.alive
    sleeper.stop()
    assert not sleeper.alive


def test_its_output_goes_to_its_log(sleeper: Daemon) -> None:
    daemons.wait_ready(sleeper, lambda: says_up(sleeper))

    assert sleeper.program.log.name == "program.log"


def test_one_that_does_not_want_to_end_is_made_to(tmp_path: Path) -> None:
    daemon = daemons.start(python(tmp_path, STUBBORN, stop_s=0.2))
    daemons.wait_ready(daemon, lambda: says_up(daemon))

    daemon.stop()

    assert not daemon.alive


def test_a_kill_takes_what_the_program_started_with_it(tmp_path: Path) -> None:
    code = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]).pid, flush=True)"
    )
    daemon = daemons.start(python(tmp_path, f"{code}; {SLEEPS}"))
    daemons.wait_ready(daemon, lambda: daemon.program.log.read_text().count("up") == 2)
    child = Path("/proc", daemon.program.log.read_text().split()[0])
    assert child.exists()

    daemon.kill()

    daemons.wait_until(lambda: _has_ended(child), "the child lives on", patience_s=10)


def _has_ended(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def test_a_paused_one_runs_in_no_thread_until_it_goes_on(busy: Daemon) -> None:
    threads = Path(f"/proc/{busy.pid}/task")
    daemons.wait_until(lambda: len(list(threads.iterdir())) > 8, "no threads", patience_s=30)

    busy.pause()
    paused = _worked(threads)

    assert _worked(threads) == paused
    busy.send(signal.SIGCONT)
    daemons.wait_until(lambda: _worked(threads) > paused, "it stands still for ever", patience_s=30)


def test_a_process_stands_still_inside_the_block_alone(busy: Daemon) -> None:
    threads = Path(f"/proc/{busy.pid}/task")
    daemons.wait_until(lambda: len(list(threads.iterdir())) > 8, "no threads", patience_s=30)

    with daemons.standing_still(busy.pid):
        states = {(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads.iterdir()}
        paused = _worked(threads)

    assert states == {"T"}
    daemons.wait_until(lambda: _worked(threads) > paused, "it stands still for ever", patience_s=30)


def _worked(threads: Path) -> int:
    """Return how long all threads have run, in the scheduler's nanoseconds."""
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads.iterdir())


def test_a_paused_one_can_be_stopped(sleeper: Daemon) -> None:
    sleeper.pause()

    sleeper.stop()

    assert not sleeper.alive


def test_another_process_with_the_same_pid_is_left_alone() -> None:
    stranger = Daemon(Program("program", [], Path()), os.getpid(), birth="long ago")

    assert not stranger.alive
    stranger.kill()  # would end this test run


def test_a_program_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    daemon = daemons.start(python(tmp_path, "print('no such option')"))

    with pytest.raises(LocalError, match="no such option"):
        daemons.wait_ready(daemon, lambda: False)


def test_what_ended_before_anybody_looked_is_not_alive(sleeper: Daemon) -> None:
    ended = dataclasses.replace(sleeper, pid=2**22 + 1, birth="")

    assert not ended.alive


def test_waiting_has_an_end(sleeper: Daemon) -> None:
    with pytest.raises(LocalError, match=r"program did not get ready.*program\.log"):
        daemons.wait_ready(sleeper, lambda: False, patience_s=0.1)


def test_a_daemon_is_known_again_after_it_was_written_down(sleeper: Daemon) -> None:
    row = dataclasses.asdict(sleeper)

    again = Daemon(Program(**row["program"]), row["pid"], row["birth"])

    assert again.alive


def test_free_ports_are_free_and_different() -> None:
    ports = daemons.free_ports(5)

    assert len(set(ports)) == 5
    assert not any(daemons.accepts(port) for port in ports)


@pytest.mark.skipif(_OUTGOING < 32_768, reason="this system gives ports away that Linux keeps")
def test_no_free_port_is_one_that_a_connection_going_out_may_take_meanwhile() -> None:
    assert max(daemons.free_ports(50)) < _OUTGOING
