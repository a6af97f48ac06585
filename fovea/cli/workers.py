"""Work for which the client lacks packages: a module runs as a process and speaks for itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import typer

from fovea.cli.exits import ExitCode


def run(module: str, *words: str, given: str | None = None) -> None:
    """Run a module, which prints for itself; end as it does.

    Args:
        module: To run.
        words: Its arguments.
        given: What it reads from its standard input; None: what this process would.

    Raises:
        Exit: It failed, with its code.
    """
    _ended(subprocess.run(_command(module, words), input=given, text=True, check=False))  # noqa: S603


def rows(module: str, *words: str) -> Iterator[Any]:
    """Return what a module prints as JSON lines; end as it does. Raises Exit."""
    ended = subprocess.run(_command(module, words), stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    _ended(ended)
    return map(json.loads, ended.stdout.splitlines())


def _command(module: str, words: tuple[str, ...]) -> list[str]:
    # -P: a folder `models` that happens to lie in the current one is none of ours
    return [sys.executable, "-P", "-m", module, *words]


def _ended(process: subprocess.CompletedProcess[str]) -> None:
    if process.returncode:
        raise typer.Exit(process.returncode if process.returncode > 0 else ExitCode.FAULT)
