"""The five services, each as several processes that share the work, and stopped one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from infra.local.daemons import free_ports
from tests.chaos.platform import INNER, SERVICES
from tests.e2e.processes import Program


class Replica(NamedTuple):
    """One process of a service."""

    service: str
    number: int

    def __str__(self) -> str:
        return f"{self.service}-{self.number}"


class Replicas:
    """So many processes of each service, over one event log and one store of objects.

    Args:
        folder: Where they keep their logs and data; objects too, unless `settings` names an object store.
        settings: Environment of all, such as what the servers' `Running.settings` say.
        count: Of each service.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], *, count: int) -> None:
        self._folder = folder
        self.all = [Replica(service, number) for service in SERVICES for number in range(count)]
        self._ports = dict(zip(self.all, free_ports(len(self.all)), strict=True))
        targets = {f"FOVEA_{name.upper()}_TARGET": self.target_of(name) for name in INNER}
        objects = {"FOVEA_OBJECT_FOLDER": str(folder / "objects")}
        self._settings = {**objects, **settings, **targets}
        self.programs: dict[Replica, Program] = {}

    def target_of(self, service: str) -> str:
        """Where all replicas of a service answer."""
        ports = [port for replica, port in self._ports.items() if replica.service == service]
        return ",".join(f"127.0.0.1:{port}" for port in ports)

    def start(self, replica: Replica) -> Program:
        """Start one, without waiting until it is ready."""
        settings = {**self._settings, "FOVEA_PORT": str(self._ports[replica]), "FOVEA_ADMIN_PORT": "0"}
        program = Program(f"services.{replica.service}", self._folder / str(replica), settings)
        self.programs[replica] = program
        return program

    def stop(self) -> None:
        """Ask all to end, and wait."""
        for program in self.programs.values():
            program.__exit__()


@contextmanager
def started_replicas(folder: Path, settings: Mapping[str, str], *, count: int = 2) -> Iterator[Replicas]:
    """Start all, wait until they are ready, and stop them at the end."""
    replicas = Replicas(folder, settings, count=count)
    with ExitStack() as stack:
        stack.callback(replicas.stop)
        for replica in replicas.all:
            replicas.start(replica)
        for program in replicas.programs.values():
            program.wait_ready()
        yield replicas
