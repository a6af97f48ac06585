"""`fovea collections`."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.calibrate import calibrate
from fovea.cli.hierarchies import parsed_hierarchy
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.terminal import counted, say
from fovea.client import Collection, Retention

_COLUMNS: Final = (
    Column("name"),
    Column("retention"),
    Column("trust_threshold", number=True),
    Column("unknown_threshold", number=True),
    Column("level_threshold", number=True),
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

Level = Annotated[
    float | None,
    typer.Option(
        help="Probability that a label needs to be answered; below it, what it is a kind of is.", min=0, max=1
    ),
]
PerLabel = Annotated[
    int | None,
    typer.Option(
        "--neighbours-per-label", help="How many exemplars of a label may vote, the strongest.", min=1
    ),
]
Hierarchy = Annotated[
    str | None,
    typer.Option(
        "--hierarchy",
        metavar="FILE|none",
        help="CSV with the columns label and parent: what each label is a kind of. Every parent has a line "
        "of its own, with an empty parent at the top.",
    ),
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
        "fovea collections update birds --hierarchy birds.csv",
    )(update)
    command(
        group,
        "fovea collections calibrate birds",
        "fovea collections calibrate birds --error-rate 0.02 --dry-run",
    )(calibrate)
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
    level_threshold: Level = None,
    neighbours_per_label: PerLabel = None,
    hierarchy: Hierarchy = None,
    json_lines: JsonFlag = False,
) -> None:
    """Create a collection."""
    form = chosen_form(json_lines=json_lines)
    given = _given(
        description=description,
        retention=None if retention is None else parsed_retention(retention),
        trust_threshold=trust_threshold,
        unknown_threshold=unknown_threshold,
        level_threshold=level_threshold,
        neighbours_per_label=neighbours_per_label,
        hierarchy=None if hierarchy is None else parsed_hierarchy(hierarchy),
    )
    with access.client() as client:
        _print([client.create_collection(Collection(name, **given))], form)


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
    level_threshold: Level = None,
    neighbours_per_label: PerLabel = None,
    hierarchy: Hierarchy = None,
    json_lines: JsonFlag = False,
) -> None:
    """Change the settings that are given; the others stay."""
    form = chosen_form(json_lines=json_lines)
    given = _given(
        description=description,
        retention=None if retention is None else parsed_retention(retention),
        trust_threshold=trust_threshold,
        unknown_threshold=unknown_threshold,
        level_threshold=level_threshold,
        neighbours_per_label=neighbours_per_label,
        hierarchy=None if hierarchy is None else parsed_hierarchy(hierarchy),
    )
    with access.client() as client:
        changed = replace(client.get_collection(name), **given)
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


def _given(**settings: Any) -> dict[str, Any]:
    """Return the settings that were given."""
    return {name: value for name, value in settings.items() if value is not None}


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
                collection.level_threshold,
                collection.description,
            )
            sheet.add(cells, collection)
