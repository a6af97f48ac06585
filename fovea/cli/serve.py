"""`fovea serve`: starts the platform in this process's place."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from fovea.cli.access import examples
from fovea.cli.exits import ExitCode
from fovea.cli.terminal import err, plain

SERVER: Final = "services.allinone"
_PLATFORM: Final = re.compile(r"extra == .platform.")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "fovea serve",
            "fovea serve --port 9500 --data /var/lib/fovea",
            "FOVEA_LOG_LEVEL=DEBUG fovea serve",
        ),
        rich_help_panel="Server",
    )(serve)


def serve(
    *,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="gRPC port; metrics and health are at port + 1000.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where everything is kept.")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Start the whole platform in one process, on this machine only; Ctrl-C ends it.

    Every setting has an environment variable FOVEA_...; the options here are the usual ones.
    """
    missing = missing_packages()
    if missing:
        err().print(plain(f"This installation has the client only: {', '.join(missing)} are missing.", "red"))
        err().print(plain('Install the platform: pip install "fovea[platform]"'))
        raise typer.Exit(ExitCode.UNSUPPORTED)
    given = {"FOVEA_PORT": port, "FOVEA_DATA_FOLDER": data, "FOVEA_LOG_LEVEL": log_level}
    environment = os.environ | {name: str(value) for name, value in given.items() if value is not None}
    sys.stdout.flush()
    # -P: a folder `services` that happens to lie in the current one is none of ours
    os.execve(sys.executable, [sys.executable, "-P", "-m", SERVER], environment)  # noqa: S606


def missing_packages() -> list[str]:
    """Return what `fovea serve` needs and this installation lacks: the extra `platform`, and the services."""
    missing = [name for name in platform_packages() if not _is_installed(name)]
    return missing if importlib.util.find_spec("services") else [*missing, "services"]


def platform_packages() -> list[str]:
    """Return the names of the packages of the extra `platform`."""
    wanted = importlib.metadata.requires("fovea") or []
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in wanted if _PLATFORM.search(line)]


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
