"""The five services as processes over shared servers, on ports that they keep when they are started again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from infra.local.daemons import free_ports
from tests.e2e.processes import Program

INNER: Final = ("segmentation", "encoding", "retrieval", "ranking")
SERVICES: Final = (*INNER, "gateway")


class Platform:
    """Five processes with one event log and one store of objects; any may be killed and started again.

    Args:
        folder: Where they keep their logs and data; objects too, unless `settings` names an object store.
        settings: Environment of all, such as what the servers' `Running.settings` say.
        modules: What runs in place of a service's own program, such as one with a fault built in.
        own: Environment of single services, by their names.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._folder = folder
        self._modules = dict(modules or {})
        self._own = dict(own or {})
        ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        targets = {f"FOVEA_{name.upper()}_TARGET": f"127.0.0.1:{ports[name]}" for name in INNER}
        objects = {"FOVEA_OBJECT_FOLDER": str(folder / "objects")}
        self._settings = {**objects, **settings, **targets}
        self._ports = ports
        self.programs: dict[str, Program] = {}

    @property
    def target(self) -> str:
        """Where the gateway is, or will be again."""
        return f"127.0.0.1:{self._ports['gateway']}"

    def start(self, name: str) -> Program:
        """Start one service, without waiting until it is ready."""
        ports = {"FOVEA_PORT": str(self._ports[name]), "FOVEA_ADMIN_PORT": "0"}
        settings = {**self._settings, **self._own.get(name, {}), **ports}
        module = self._modules.get(name, f"services.{name}")
        self.programs[name] = Program(module, self._folder / name, settings)
        return self.programs[name]

    def start_beside(self, name: str, settings: Mapping[str, str], *, module: str = "") -> Program:
        """Start one more process of a service: it takes its share of events, and gRPC does not reach it."""
        beside = f"{name}-{len(self.programs)}"
        module = module or self._modules.get(name, f"services.{name}")
        ports = {"FOVEA_PORT": "0", "FOVEA_ADMIN_PORT": "0"}
        self.programs[beside] = Program(
            module, self._folder / beside, {**self._settings, **settings, **ports}
        )
        return self.programs[beside]

    def kill_and_start(self, name: str) -> None:
        """End it as a power cut would, start it again, and wait until it is ready."""
        self.programs[name].kill()
        self.start(name).wait_ready()

    def stop(self) -> None:
        """Ask all to end, and wait."""
        for program in self.programs.values():
            program.__exit__()


@contextmanager
def started(
    folder: Path,
    settings: Mapping[str, str],
    modules: Mapping[str, str] | None = None,
    own: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Platform]:
    """Start all five, wait until they are ready, and stop them at the end."""
    platform = Platform(folder, settings, modules, own)
    with ExitStack() as stack:
        stack.callback(platform.stop)
        for name in SERVICES:
            platform.start(name)
        for program in platform.programs.values():
            program.wait_ready()
        yield platform
