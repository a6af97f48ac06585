"""`fovea doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import typer
from rich.text import Text

from fovea.cli import checks
from fovea.cli.access import Access, command
from fovea.cli.exits import ExitCode
from fovea.cli.sheets import Form, JsonFlag, chosen_form, write_json
from fovea.cli.terminal import out, plain

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "fovea doctor",
        "fovea doctor --target recognition.example:8500",
        "fovea doctor --json | jq -r 'select(.level != \"ok\") | .what'",
        panel="Server",
    )(doctor)


def doctor(access: Access, *, json_lines: JsonFlag = False) -> None:
    """Look at this installation and the server, and say what to do about what is wrong."""
    form = chosen_form(json_lines=json_lines)
    failed = False
    for finding in findings(access):
        failed = failed or finding.level == "fail"
        if form is Form.JSON:
            write_json(finding._asdict())
        else:
            _print(finding)
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def findings(access: Access) -> Iterator[checks.Finding]:
    """Yield what the checks find, one by one."""
    yield from checks.python()
    yield from checks.packages()
    yield from checks.models()
    yield from checks.data_folder()
    yield from checks.server(access)


def _print(finding: checks.Finding) -> None:
    line = Text.assemble(plain(f"{finding.level:<5}", _STYLES[finding.level]), plain(finding.what))
    out().print(line, soft_wrap=True)
    if finding.todo:
        out().print(plain(f"      → {finding.todo}", "dim"), soft_wrap=True)
