"""`fovea memory migrate`: from one encoder to another, while the collection answers."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.exits import ExitCode
from fovea.cli.sheets import Column, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.terminal import progress, say
from fovea.client import Client, Migration, PairedShare, SpaceReport

_STATUS: Final = (
    Column("from_space", title="from"),
    Column("to_space", title="to"),
    Column("state"),
    Column("old", number=True),
    Column("new", number=True),
    Column("both", number=True),
)
_REPORT: Final = (
    Column("share", title="the right label is"),
    Column("before", number=True),
    Column("after", number=True),
    Column("difference", number=True),
    Column("interval", title="95 % interval"),
)
_LOOK_EVERY_S: Final = 1.0
_NEXT: Final = {
    "side_by_side": "next: `fovea memory migrate cut-over`, or `finish` to give it up",
    "cut_over": "next: `fovea memory migrate finish`, or `roll-back`",
}

Sample = Annotated[int, typer.Option(help="Exemplars that are asked, at most.", min=1)]
Seed = Annotated[int, typer.Option(help="Of the drawing.", min=0)]
Candidates = Annotated[int, typer.Option(help="Among which the right label should be.", min=1)]
Margin = Annotated[
    float, typer.Option(help="What the new encoder may be worse by, as a share.", min=0, max=0.99)
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Until every exemplar that has a picture has both embeddings.")
]


def add_to(group: typer.Typer) -> None:
    """Add the commands to those of `fovea memory`."""
    steps = typer.Typer(
        no_args_is_help=True, help="Move the collection to another encoder, while it answers."
    )
    group.add_typer(steps, name="migrate")
    command(steps, "fovea memory migrate start visual-2 --wait")(start)
    command(steps, "fovea memory migrate status", "fovea memory migrate status --wait")(status)
    command(steps, "fovea memory migrate evaluate", "fovea memory migrate evaluate --margin 0.01")(evaluate)
    command(
        steps,
        "fovea memory migrate cut-over",
        "fovea memory migrate cut-over --override",
        name="cut-over",
    )(cut_over)
    command(steps, "fovea memory migrate roll-back", name="roll-back")(roll_back)
    command(steps, "fovea memory migrate finish")(finish)


def start(
    access: Access,
    space: Annotated[str, typer.Argument(help="Of the new encoder: see FOVEA_MORE_IMAGE_MODELS.")],
    *,
    from_space: Annotated[str, typer.Option(help="Of the old one; by default the one that answers.")] = "",
    wait: Wait = False,
    json_lines: JsonFlag = False,
) -> None:
    """Let exemplars have embeddings of a second encoder too; those taught before are filled in behind."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        found = client.start_migration(space, from_space=from_space)
        _show(_filled(client) if wait else found, form)


def status(access: Access, *, wait: Wait = False, json_lines: JsonFlag = False) -> None:
    """Say how far the migration is."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        _show(_filled(client) if wait else client.get_migration(), form)


def evaluate(
    access: Access,
    *,
    sample: Sample = 1000,
    seed: Seed = 0,
    candidates: Candidates = 5,
    margin: Margin = 0.02,
    json_lines: JsonFlag = False,
) -> None:
    """Compare the two encoders on the collection's own exemplars, each asked with itself left out.

    It passes if neither accuracy nor recall is worse by more than the margin, as far as the sample shows. A
    comparison that does not pass ends with exit code 1.
    """
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        report = client.evaluate_migration(sample=sample, seed=seed, candidates=candidates, margin=margin)
    if form is Form.JSON:
        write_json(report)
    else:
        _print(report, form)
    if not report.passes:
        raise typer.Exit(ExitCode.SOME_FAILED)


def cut_over(
    access: Access,
    *,
    override: Annotated[
        bool, typer.Option("--override", help="Whatever the comparison says; it is recorded.")
    ] = False,
    sample: Sample = 1000,
    seed: Seed = 0,
    candidates: Candidates = 5,
    margin: Margin = 0.02,
    json_lines: JsonFlag = False,
) -> None:
    """Let the new encoder answer: if every exemplar has its embedding and the comparison passes."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        found = client.cut_over(
            override=override, sample=sample, seed=seed, candidates=candidates, margin=margin
        )
    _show(found, form)


def roll_back(access: Access, *, json_lines: JsonFlag = False) -> None:
    """Let the old encoder answer again, at once."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        _show(client.roll_back(), form)


def finish(access: Access, *, json_lines: JsonFlag = False) -> None:
    """End it: the embeddings of the encoder that does not answer are dropped, and there is no way back."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        _show(client.finish_migration(), form)


def _filled(client: Client) -> Migration:
    """Wait until nothing lacks a new embedding but what cannot have one, and return the status then."""
    with progress("filled in", None) as show:
        while True:
            found = client.get_migration()
            show(found.both, found.old)
            if found.lacking in (0, found.without_picture):
                return found
            time.sleep(_LOOK_EVERY_S)


def _show(found: Migration, form: Form) -> None:
    with open_sheet(form, _STATUS) as sheet:
        sheet.add((found.from_space, found.to_space, found.state, found.old, found.new, found.both), found)
    if form is Form.TABLE:
        for line in _notes(found):
            say(line)


def _notes(found: Migration) -> list[str]:
    notes = []
    if found.without_picture:
        notes.append(
            f"of the first {found.looked_at} without a new embedding, {found.without_picture} have no "
            "picture any more: teach them anew, or forget them"
        )
    if found.overridden:
        notes.append("it was cut over although the comparison did not pass, or was not complete")
    if next_step := _NEXT.get(found.state):
        notes.append(next_step)
    return notes


def _print(report: SpaceReport, form: Form) -> None:
    rows = (("first", report.accuracy), (f"among {report.candidates}", report.recall))
    with open_sheet(form, _REPORT) as sheet:
        for name, share in rows:
            sheet.add(_row(name, share, report.asked), share)
    verdict = "passes" if report.passes else "does not pass"
    say(
        f"{verdict}: asked for {report.asked} exemplars of {report.labels} labels; "
        f"at most {report.margin:.1%} worse is allowed"
    )


def _row(name: str, share: PairedShare, asked: int) -> tuple[Any, ...]:
    least, most = share.interval
    return (
        name,
        f"{share.before / asked:.1%}" if asked else "",
        f"{share.after / asked:.1%}" if asked else "",
        f"{share.difference:+.1%}",
        f"{least:+.1%} to {most:+.1%}",
    )
