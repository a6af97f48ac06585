"""`fovea dead-letters`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.exits import ExitCode
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.terminal import say
from fovea.client import DeadLetter

_COLUMNS: Final = (
    Column("id"),
    Column("last_seen"),
    Column("key"),
    Column("reason"),
    Column("message"),
    Column("attempts", number=True),
    Column("replayed"),
)
_REPLAYS: Final = (Column("id"), Column("outcome"), Column("reason"), Column("message"))
_SHOWN: Final = (Column("name"), Column("value"))
Topic = Annotated[str, typer.Option("--topic", help="Where the events were published.")]
Reason = Annotated[str, typer.Option("--reason", help="Code of the error.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="List, show and replay events that nobody could handle.")
    app.add_typer(group, name="dead-letters", rich_help_panel="Operation")
    command(
        group,
        "fovea dead-letters list",
        "fovea dead-letters list --topic exemplars.submitted --json",
        name="list",
    )(list_all)
    command(group, "fovea dead-letters show exemplars.submitted.dead:0:17")(show)
    command(
        group,
        "fovea dead-letters replay exemplars.submitted.dead:0:17",
        "fovea dead-letters replay --topic exemplars.submitted --dry-run",
    )(replay)


def list_all(
    access: Access,
    *,
    topic: Topic = "",
    reason: Reason = "",
    limit: Annotated[int, typer.Option(help="Most letters to list.", min=1, max=1_000)] = 100,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """List the tenant's dead letters, the newest first."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client, open_sheet(form, _COLUMNS) as sheet:
        for letter in client.list_dead_letters(topic=topic, reason=reason, limit=limit):
            sheet.add(_row(letter), letter)


def show(
    access: Access,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    *,
    json_lines: JsonFlag = False,
) -> None:
    """Show all that is known of one dead letter."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        letter, value = client.get_dead_letter(letter_id)
    if form is Form.JSON:
        write_json({"letter": letter, "value_hex": None if value is None else value.hex()})
        return
    with open_sheet(form, _SHOWN) as sheet:
        for name, shown in _facts(letter, value):
            sheet.add((name, shown), letter)


def replay(
    access: Access,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `list` shows them.")] = None,
    *,
    topic: Topic = "",
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    json_lines: JsonFlag = False,
) -> None:
    """Publish events again as they were, with their ids: whoever handled one already does no more.

    At most 100 at a time, the oldest first. The steps of a recognition are refused: it has ended as failed,
    and its record is written once. An exemplar is taught as if it came now, also over what was taught since.
    """
    form = chosen_form(json_lines=json_lines)
    if not (ids or topic or reason):
        raise typer.BadParameter("name ids, --topic or --reason")
    with access.client() as client, open_sheet(form, _REPLAYS) as sheet:
        replays = client.replay_dead_letters(
            ids or (), topic=topic, reason=reason, dry_run=dry_run, again=again
        )
        for one in replays:
            why = (one.failure.reason, one.failure.message) if one.failure else ("", "")
            sheet.add((one.letter.id, one.outcome.replace("_", " "), *why), one)
    if any(one.outcome == "already_replayed" for one in replays):
        say("what was replayed before is left alone; --again replays it once more")
    if any(one.failure for one in replays):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _row(letter: DeadLetter) -> tuple[Any, ...]:
    return (
        letter.id,
        letter.last_seen.isoformat(timespec="seconds"),
        letter.key,
        letter.failure.reason,
        letter.failure.message,
        letter.attempts,
        letter.replayed.isoformat(timespec="seconds") if letter.replayed else None,
    )


def _facts(letter: DeadLetter, value: bytes | None) -> list[tuple[str, Any]]:
    return [
        *zip((column.name for column in _COLUMNS), _row(letter), strict=True),
        ("published", f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"),
        ("given up by", f"{letter.service}/{letter.service_version}"),
        ("first_seen", letter.first_seen.isoformat(timespec="seconds")),
        ("bytes", "none" if value is None else len(value)),
        *sorted(letter.headers.items()),
    ]
