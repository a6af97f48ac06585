"""The servers and Fovea's five services as one running platform, remembered in a file until `down`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from infra.local import daemons
from infra.local.daemons import Daemon, LocalError, Program
from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import Running, Server, cache_folder
from infra.local.toxiproxy import ToxiproxyServer
from infra.local.triton import TritonServer

SERVERS: Final[tuple[Server, ...]] = (KafkaServer(), MinioServer(), TritonServer())
FOR_TESTS: Final[tuple[Server, ...]] = (ToxiproxyServer(),)

# In the order of starting. The ports are those of the services' settings.
SERVICES: Final = {
    "segmentation": 8501,
    "encoding": 8502,
    "retrieval": 8503,
    "ranking": 8504,
    "gateway": 8500,
}
READY_S: Final = 120.0


def install(_: Path) -> None:
    """Fetch every server into the cache."""
    _install(SERVERS)
    _install(FOR_TESTS)


def up(folder: Path) -> None:
    """Start the servers, then the services, and say how to call them."""
    if any(daemon.alive for daemon in _remembered(folder)):
        raise LocalError(f"it is up already (pids in {_state(folder)}); `make down` stops it")
    _install(SERVERS)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # what is started is told secrets
    started: list[Daemon] = []
    try:
        settings = _start_servers(folder, started)
        _start_services(folder, settings, started)
    except BaseException:
        _stop(started)
        raise
    _say(_how_to_call(folder, settings))


def down(folder: Path) -> None:
    """Stop everything, the services first."""
    running = [daemon for daemon in _remembered(folder) if daemon.alive]
    _stop(running)
    _state(folder).unlink(missing_ok=True)
    names = ", ".join(daemon.program.name for daemon in reversed(running))
    _say(f"stopped: {names}; the data stays in {folder}" if running else "nothing was up")


def logs(folder: Path) -> None:
    """Print the last lines of every log."""
    if not (remembered := _remembered(folder)):
        _say("nothing is up; `make up` starts it")
    for daemon in remembered:
        _say(f"==> {daemon.program.log}")
        lines = daemon.program.log.read_text(encoding="utf-8", errors="replace").splitlines()
        _say("\n".join(lines[-20:]))


def service(name: str, folder: Path, settings: Mapping[str, str]) -> Program:
    """Return one of Fovea's services, on the port that `settings` or its own defaults say."""
    own = {"FOVEA_DATA_FOLDER": str(folder / "data"), "FOVEA_READY_FILE": str(folder / "ready.json")}
    command = (sys.executable, "-m", f"services.{name}")
    root = {"PYTHONPATH": str(Path(__file__).parents[2])}
    return Program(name, command, folder, {**root, **settings, **own})


def start_service(program: Program) -> Daemon:
    """Start a service and return without waiting; `wait_service` waits."""
    Path(program.environment["FOVEA_READY_FILE"]).unlink(missing_ok=True)
    return daemons.start(program)


def wait_service(daemon: Daemon) -> Mapping[str, Any]:
    """Wait until a service is ready, and return its ports as it states them."""
    file = Path(daemon.program.environment["FOVEA_READY_FILE"])
    daemons.wait_ready(daemon, file.exists, patience_s=READY_S)
    ports: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return ports


def _install(servers: Sequence[Server]) -> None:
    for server in servers:
        _say(f"{server.name}: looking in {cache_folder()}")
        server.install(cache_folder())


def _start_servers(folder: Path, started: list[Daemon]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for server in SERVERS:
        running: Running = server.start(cache_folder(), folder / server.name)
        started.extend(running.daemons)
        _remember(folder, started)
        settings |= running.settings
        _say(f"{server.name} is up")
    return settings


def _start_services(folder: Path, settings: Mapping[str, str], started: list[Daemon]) -> None:
    if taken := [port for port in SERVICES.values() if daemons.accepts(port)]:
        raise LocalError(f"port {taken[0]} is taken by another program; stop that one first")
    services = []
    for name, port in SERVICES.items():
        mine = {**settings, "FOVEA_PORT": str(port)}
        services.append(start_service(service(name, folder / name, mine)))
        started.append(services[-1])
        _remember(folder, started)
    for daemon in services:
        wait_service(daemon)
        _say(f"{daemon.program.name} is ready")


def _how_to_call(folder: Path, settings: Mapping[str, str]) -> str:
    file = folder / "environment"
    lines = (f"export {name}={value}\n" for name, value in settings.items())
    file.write_text("".join(lines), encoding="utf-8")
    return (
        f"\nFovea is up: gRPC at 127.0.0.1:{SERVICES['gateway']}, metrics at port + 1000.\n\n"
        "  .venv/bin/fovea teach --label bear examples/emoji/twemoji/1f43b.png    teaches a class\n"
        "  .venv/bin/fovea recognize examples/emoji/noto/1f43b.png                another artist's bear\n"
        "  make logs, make down                                                   watch it, stop it\n\n"
        f"Data and logs stay in {folder}. Another process joins with\n"
        f"  . {shlex.quote(str(file))} && FOVEA_PORT=0 .venv/bin/python -m services.ranking"
    )


def _state(folder: Path) -> Path:
    return folder / "daemons.json"


def _remember(folder: Path, started: Sequence[Daemon]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(daemon) for daemon in started]
    _state(folder).write_text(json.dumps(rows, default=str, indent=1), encoding="utf-8")


def _remembered(folder: Path) -> list[Daemon]:
    try:
        rows = json.loads(_state(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [Daemon(_program(row["program"]), row["pid"], row["birth"]) for row in rows]


def _program(row: dict[str, Any]) -> Program:
    return Program(row["name"], row["command"], Path(row["folder"]), row["environment"], row["stop_s"])


def _stop(started: Sequence[Daemon]) -> None:
    for daemon in reversed(started):
        daemon.stop()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
