"""`fovea collections`."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.terminal import counted, say
from fovea.client import Collection, Retention

_COLUMNS: Final = (
    Column("name"),
    Column("retention"),
    Column("trust_threshold", number=True),
    Column("unknown_threshold", number=True),
    Column("description"),
)
Name = Annotated[str, typer.Argument(help="Letters, digits, '.', '_', '-'.")]
Description = Annotated[str | None, typer.Option(help="For people.")]
Keep = Annotated[
    str | None,
    typer.Option("--retention", metavar="keep|none|DAYS", help="How long pictures are kept: 30 is 30 days."),
]
Trust = Annotated[
    float | None, typer.Option(help="Margin of retrieval from which no model is asked.", min=0, max=1)
]
Unknown = Annotated[
    float | None, typer.Option(help="Probability of unknown above which that is the answer.", min=0, max=1)
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="List, create, show, change and delete collections.")
    app.add_typer(group, name="collections", rich_help_panel="Memory")
    command(group, "fovea collections list", "fovea collections list --json", name="list")(list_all)
    command(
        group,
        "fovea collections create birds",
        'fovea collections create birds --description "of the garden" --retention 30',
    )(create)
    command(group, "fovea collections show birds", "fovea collections show birds --json")(show)
    command(
        group,
        "fovea collections update birds --unknown-threshold 0.4",
        "fovea collections update birds --retention none",
    )(update)
    command(group, "fovea collections delete birds", "fovea collections delete birds --yes")(delete)


def list_all(access: Access, *, json_lines: JsonFlag = False, csv_lines: CsvFlag = False) -> None:
    """List the tenant's collections."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        _print(client.list_collections(), form)


def create(
    access: Access,
    name: Name,
    *,
    description: Description = None,
    retention: Keep = None,
    trust_threshold: Trust = None,
    unknown_threshold: Unknown = None,
    json_lines: JsonFlag = False,
) -> None:
    """Create a collection."""
    form = chosen_form(json_lines=json_lines)
    collection = _changed(Collection(name), description, retention, trust_threshold, unknown_threshold)
    with access.client() as client:
        _print([client.create_collection(collection)], form)


def show(access: Access, name: Name, *, json_lines: JsonFlag = False, csv_lines: CsvFlag = False) -> None:
    """Show one collection's settings."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        _print([client.get_collection(name)], form)


def update(
    access: Access,
    name: Name,
    *,
    description: Description = None,
    retention: Keep = None,
    trust_threshold: Trust = None,
    unknown_threshold: Unknown = None,
    json_lines: JsonFlag = False,
) -> None:
    """Change the settings that are given; the others stay."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        kept = client.get_collection(name)
        changed = _changed(kept, description, retention, trust_threshold, unknown_threshold)
        _print([client.update_collection(changed)], form)


def delete(
    access: Access,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_lines: JsonFlag = False,
) -> None:
    """Forget every exemplar of a collection, then the collection itself."""
    form = chosen_form(json_lines=json_lines)
    if not yes:
        _ask(f"Forget all that {access.tenant}/{name} knows?")
    with access.client() as client:
        forgotten = client.delete_collection(name)
    if form is Form.JSON:
        write_json({"name": name, "forgotten": forgotten})
    else:
        say(f"deleted {name} with {counted(forgotten, 'exemplar')}")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("deleting needs --yes where nobody can be asked")
    typer.confirm(question, abort=True, err=True)


def _changed(
    collection: Collection,
    description: str | None,
    retention: str | None,
    trust: float | None,
    unknown: float | None,
) -> Collection:
    given: dict[str, Any] = {
        "trust_threshold": trust,
        "unknown_threshold": unknown,
        "description": description,
    }
    given["retention"] = None if retention is None else parsed_retention(retention)
    return replace(collection, **{name: value for name, value in given.items() if value is not None})


def parsed_retention(text: str) -> Retention:
    """Read `keep`, `none`, `30` or `30d`. Raises typer.BadParameter."""
    if text in ("keep", "none"):
        return Retention(text)  # type: ignore[arg-type]  # one of the two
    days = re.fullmatch(r"([1-9]\d{0,5})d?", text)
    if days is None:
        raise typer.BadParameter("retention is keep, none, or a number of days", param_hint="--retention")
    return Retention("days", int(days[1]))


def _print(collections: Any, form: Form) -> None:
    with open_sheet(form, _COLUMNS) as sheet:
        for collection in collections:
            kept = collection.retention
            retention = f"{kept.days} days" if kept.policy == "days" else kept.policy
            cells = (
                collection.name,
                retention,
                collection.trust_threshold,
                collection.unknown_threshold,
                collection.description,
            )
            sheet.add(cells, collection)
