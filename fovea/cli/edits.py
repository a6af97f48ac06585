"""`fovea memory propose` and `apply`: changes of many exemplars at a time, asked before they are made."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.sheets import CsvFlag, JsonFlag, chosen_form
from fovea.cli.versions import DryRun, Queries, follow, show_comparison

_COLUMNS: Final = ("exemplar_id", "new_label")
EditsFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="CSV with the columns exemplar_id and new_label; without a new label it is forgotten.",
    ),
]


def add_to(group: typer.Typer) -> None:
    """Add the commands to those of `fovea memory`."""
    command(group, "fovea memory propose edits.csv --queries gold")(propose)
    command(group, "fovea memory apply edits.csv --dry-run", "fovea memory apply edits.csv", name="apply")(
        apply_edits
    )


def propose(
    access: Access,
    file: EditsFile,
    *,
    queries: Queries,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Ask the memory as it stands, and as it would be with some edits. Nothing is changed."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    edits = _edits(file)
    with access.client() as client:
        compared = client.propose(edits, queries)
    show_comparison(compared, form)


def apply_edits(
    access: Access, file: EditsFile, *, dry_run: DryRun = False, json_lines: JsonFlag = False
) -> None:
    """Give exemplars other labels, or forget them. `versions keep` first makes it easy to go back."""
    form = chosen_form(json_lines=json_lines)
    edits = _edits(file)
    with access.client() as client:
        follow(client.apply(edits, dry_run=dry_run), form, dry_run=dry_run)


def _edits(file: Path) -> dict[str, str | None]:
    """Read what is proposed. Raises typer.BadParameter, which names the line."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="FILE") from error
    reader = csv.DictReader(lines, restval="")
    if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
        raise typer.BadParameter(f"{file} has no column {', '.join(missing)}", param_hint="FILE")
    edits: dict[str, str | None] = {}
    for row in reader:
        exemplar_id = row["exemplar_id"].strip()
        if not exemplar_id or exemplar_id in edits:
            problem = "names no exemplar" if not exemplar_id else f"names {exemplar_id} again"
            raise typer.BadParameter(f"line {reader.line_num} of {file} {problem}", param_hint="FILE")
        edits[exemplar_id] = row["new_label"].strip() or None
    if not edits:
        raise typer.BadParameter(f"{file} has no edits", param_hint="FILE")
    return edits
