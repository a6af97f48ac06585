"""`fovea memory`: looking after what was taught."""

from __future__ import annotations

import typer

from fovea.cli import audit, edits, migrate, parquet, versions


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Look after what was taught.")
    app.add_typer(group, name="memory", rich_help_panel="Memory")
    for commands in (audit, versions, edits, parquet, migrate):
        commands.add_to(group)
