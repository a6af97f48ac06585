"""`fovea watch`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from fovea.cli import answers
from fovea.cli.access import Access, command
from fovea.cli.answers import Layout
from fovea.cli.recognize import print_answers
from fovea.cli.sheets import CsvFlag, Form, JsonFlag, chosen_form
from fovea.cli.terminal import out, plain, say
from fovea.client import Recognition


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "fovea watch",
        "fovea watch --submission monday --count 100 --json",
        'fovea watch --json | jq -r "[.ended_at, .best] | @tsv"',
        panel="Recognition",
    )(watch)


def watch(
    access: Access,
    *,
    submission: Annotated[str, typer.Option(help="Only records of this batch.")] = "",
    resume_token: Annotated[
        str, typer.Option(help="Go on behind the record that had this token (--json shows it).")
    ] = "",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Print the collection's records as they end, until interrupted.

    It goes on after disconnects without losing or repeating a record.
    """
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        records = islice(client.watch(submission_id=submission, resume_token=resume_token), count)
        if form is Form.TABLE:
            say(f"watching {access.tenant}/{access.collection}; Ctrl-C ends it")
            for answer in records:
                _print_line(answer)
            return
        print_answers(records, Layout(form))


def _print_line(answer: Recognition) -> None:
    ended = answer.ended_at.astimezone().strftime("%H:%M:%S") if answer.ended_at else "--:--:--"
    if answer.failure is not None:
        verdict = plain(f"failed: {answer.failure.message} ({answer.failure.reason})", "red")
    else:
        verdict = answers.verdict(answer)
    out().print(plain(ended, "dim"), plain(answer.recognition_id, "dim"), verdict, soft_wrap=True)
