"""`fovea explain` and `fovea replay`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.answers import show_region
from fovea.cli.exits import ExitCode
from fovea.cli.sheets import (
    Column,
    CsvFlag,
    Form,
    JsonFlag,
    chosen_form,
    open_sheet,
    percent,
    write_json,
    yes,
)
from fovea.cli.terminal import out, plain, say
from fovea.client import Answer, Counterfactual, Explanation, ReplayedStep

_PANEL: Final = "Recognition"
_ID_SHOWN: Final = 16
_SHOWN: Final = 5
_WITHOUT: Final = (
    Column("without"),
    Column("share", percent, number=True, title="of all votes"),
    Column("answer"),
    Column("probability", percent, number=True, title="prob."),
    Column("changes", yes),
)
_STEPS: Final = (Column("step"), Column("outcome"), Column("place"), Column("before"), Column("now"))
RecognitionId = Annotated[str, typer.Argument(metavar="ID", help="Of a recognition that has ended.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "fovea explain 4f0c2f1e",
        "fovea explain 4f0c2f1e --region 2 --exemplars 5",
        "fovea explain 4f0c2f1e --json",
        panel=_PANEL,
    )(explain)
    command(app, "fovea replay 4f0c2f1e", "fovea replay 4f0c2f1e --csv", panel=_PANEL)(replay)


def explain(
    access: Access,
    recognition_id: RecognitionId,
    *,
    region: Annotated[str, typer.Option(help="Which part of the picture; without: the first.")] = "",
    exemplars: Annotated[int, typer.Option(min=0, max=10, help="Exemplars to leave out, one at a time.")] = 3,
    json_lines: JsonFlag = False,
) -> None:
    """Show what an answer rests on, and what it would be without the exemplars that voted for it.

    The answer comes from the record; without an exemplar it is asked again, with the memory as it is now.
    """
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        explanation = client.explain(recognition_id, region_id=region, exemplars=exemplars)
    if form is Form.JSON:
        write_json(explanation)
        return
    show_region(explanation.region)
    with open_sheet(form, _WITHOUT) as sheet:
        for found in explanation.counterfactuals:
            sheet.add(_row(found), found)
    for line in _remarks(explanation):
        say(line)


def replay(
    access: Access,
    recognition_id: RecognitionId,
    *,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Run the steps of a recognition again and name the first that answers otherwise today.

    Each step gets what the record says it was given, so one change shows at one step. Nothing is stored.
    The exit code is 1 if a step answers otherwise, or could not be run.
    """
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        steps = client.replay_recognition(recognition_id)
    with open_sheet(form, _STEPS) as sheet:
        for step in steps:
            for row in _step_rows(step, most=_SHOWN if form is Form.TABLE else None):
                sheet.add(row, step)
    first = next((step for step in steps if step.outcome != "same"), None)
    if form is Form.TABLE:
        out().print(_verdict(first))
    if first is not None:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _row(found: Counterfactual) -> Sequence[Any]:
    ids = [exemplar_id[:_ID_SHOWN] for exemplar_id in found.exemplar_ids]
    without = ids[0] if len(ids) == 1 else f"all {len(ids)} of them"
    return without, found.share, _label(found.answer), found.answer.probability, found.changes


def _label(answer: Answer) -> str:
    return answer.label or "unknown"


def _remarks(explanation: Explanation) -> Iterator[str]:
    if explanation.failure is not None:
        yield f"nothing could be asked again: {explanation.failure.message}"
    if explanation.memory_changed:
        yield "exemplars came or went since; `fovea replay` says what differs"
    today = explanation.today
    if today is not None and today.label != explanation.answer.label:
        was, now = _label(explanation.answer), _label(today)
        yield f"the record says {was}; asked again, with all exemplars, the answer is {now}"


def _step_rows(step: ReplayedStep, *, most: int | None) -> Iterator[Sequence[Any]]:
    outcome = step.outcome.replace("_", " ")
    differences = [*step.made_with, *step.differences]
    if step.failure is not None:
        yield step.name, outcome, step.failure.reason, "", step.failure.message
    elif not differences:
        yield step.name, outcome, "", "", ""
    for difference in differences[:most]:
        yield step.name, outcome, *difference
    if most is not None and len(differences) > most:
        yield step.name, outcome, f"and {len(differences) - most} more", "", ""


def _verdict(first: ReplayedStep | None) -> Any:
    if first is None:
        return plain("every step answers as it did", "green")
    if first.failure is not None:
        return plain(f"{first.name} could not be run: {first.failure.message}", "yellow")
    return plain(f"the first step that answers otherwise is {first.name}", "yellow")
