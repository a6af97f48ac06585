"""Programs in the background: started with a log file of their own, found again and ended by their pid."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_TAIL_CHARACTERS = 3000
_PORTS = range(20_000, 32_768)
"""Below those that Linux gives to connections that go out: a server that was killed finds its port free."""


class LocalError(Exception):
    """A server cannot be had or does not come up; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """What to run.

    Args:
        name: Also that of its log file, in `folder`.
        command: With the path of its executable.
        folder: Where it is started.
        environment: Beside what this process has.
        stop_s: How long it may take to end when asked to.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_s: float = 40.0

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"


@dataclass(frozen=True)
class Daemon:
    """A program that was started.

    Args:
        program: What was run.
        pid: Its process.
        birth: When the kernel says that process began: another process may get the same pid later. Empty if
            it had ended before anybody looked.
    """

    program: Program
    pid: int
    birth: str

    @property
    def said(self) -> str:
        """The end of its log."""
        return self.program.log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        _reap(self.pid)
        return bool(self.birth) and _birth(self.pid) == self.birth

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """Let it stand still until SIGCONT; on return none of its threads runs any more."""
        if self.alive:
            _stop(self.pid)

    def kill(self) -> None:
        """End it as a power cut would, and with it what it has started."""
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)  # it leads a group of its own
        wait_until(lambda: not self.alive, f"{self.program.name} did not end", patience_s=30.0)

    def ask_to_stop(self) -> None:
        """Ask it to end, and return at once."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to end, and make it after a while."""
        self.ask_to_stop()
        try:
            wait_until(lambda: not self.alive, "", patience_s=self.program.stop_s)
        except LocalError:
            self.kill()


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Let a process stand still inside the block, in which none of its threads runs.

    Raises:
        ProcessLookupError: There is no such process.
        LocalError: A thread goes on.
    """
    try:
        _stop(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def start(program: Program) -> Daemon:
    """Start a program that outlives this one."""
    program.folder.mkdir(parents=True, exist_ok=True)
    with program.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  (the command is this project's)
            list(program.command),
            cwd=program.folder,
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    process.returncode = 0  # not waited for by the object: `alive` does that
    return Daemon(program, process.pid, _birth(process.pid))


def wait_ready(daemon: Daemon, ready: Callable[[], bool], *, patience_s: float = 120.0) -> None:
    """Wait until a daemon is of use. Raises LocalError with the end of its log if it never is."""

    def ready_or_ended() -> bool:
        if not daemon.alive:
            raise LocalError(f"{daemon.program.name} ended:\n{daemon.said}")
        return ready()

    what = f"{daemon.program.name} did not get ready; its log is {daemon.program.log}"
    wait_until(ready_or_ended, what, patience_s=patience_s)


def wait_until(condition: Callable[[], bool], what: str, *, patience_s: float) -> None:
    """Wait for a condition. Raises LocalError, saying `what`, when patience ends."""
    end_s = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end_s:
            raise LocalError(f"{what} (waited {patience_s:.0f} s)")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that nobody listens on."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in random.sample(_PORTS, len(_PORTS)):
            with suppress(OSError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise LocalError(f"fewer than {count} ports from {_PORTS.start} to {_PORTS.stop - 1} are free")


def accepts(port: int) -> bool:
    """Return whether somebody listens on a port of the loopback address."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _birth(pid: int) -> str:
    """Return when a process began, in the kernel's ticks; empty if it has ended."""
    try:
        fields = _stat(Path(f"/proc/{pid}"))
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _stop(pid: int) -> None:
    """Send SIGSTOP and wait until it has reached every thread: a signal is sent before it is obeyed."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(
        lambda: not _birth(pid) or _stands_still(pid), f"process {pid} did not stand still", patience_s=30.0
    )


def _stands_still(pid: int) -> bool:
    """Tell whether each thread is stopped: the signal reaches one, which tells the others in its turn."""
    with suppress(OSError):  # a thread ended, or all did
        return all(_stat(thread)[0] == "T" for thread in Path(f"/proc/{pid}/task").iterdir())
    return False


def _stat(folder: Path) -> list[str]:
    """Return what the kernel says of a process or thread, from its state on."""
    return (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
