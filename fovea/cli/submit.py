"""`fovea submit` and `fovea submission`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.answers import Layout
from fovea.cli.files import expanded
from fovea.cli.finding import (
    Exemplars,
    MaskFormat,
    NameFile,
    Names,
    Overlap,
    Phrases,
    Sentences,
    Threshold,
    Tiles,
    find_of,
    prompts_of,
    refuse_both,
)
from fovea.cli.lessons import parsed_box
from fovea.cli.recognize import Boxes, Paths, Size, print_answers, print_as
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet
from fovea.cli.tally import Tally
from fovea.cli.terminal import progress
from fovea.client import Client, Options, Picture, Receipt, Recognition

_FIRST_LOOK_S: Final = 0.1
_SLOWEST_LOOK_S: Final = 2.0
_RECEIPT: Final = (
    Column("source", title="picture"),
    Column("recognition_id", whole=True),
    Column("accepted_at", whole=True),
)
_SUBMISSION: Final = (
    Column("submission_id"),
    *(Column(name, number=True) for name in ("accepted", "completed", "failed", "pending")),
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "fovea submit photos/",
        "fovea submit photos/ --wait --csv > answers.csv",
        "fovea submit photos/ --submission-id monday && fovea submission monday",
        panel="Recognition",
    )(submit)
    command(
        app, "fovea submission monday", "fovea submission monday --json | jq .pending", panel="Recognition"
    )(submission)


def submit(
    access: Access,
    paths: Paths,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the answers and print them.")] = False,
    submission_id: Annotated[str, typer.Option(help="Name of the batch; chosen if left out.")] = "",
    box: Boxes = None,
    find: Names = None,
    phrase: Phrases = None,
    sentence: Sentences = None,
    exemplar: Exemplars = None,
    find_file: NameFile = None,
    threshold: Threshold = None,
    overlap: Overlap = None,
    tiles: Tiles = None,
    mask_format: MaskFormat = "rle",
    size: Size = None,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Hand in pictures without waiting: each receipt says that one is durable and will have an answer."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    prompts = prompts_of(find, phrase, sentence, exemplar, find_file)
    refuse_both(box, prompts)
    regions = [parsed_box(text) for text in box or []]
    options = Options(
        size=size, prompts=prompts, find=find_of(threshold, overlap, tiles=tiles, mask_format=mask_format)
    )
    pictures = [Picture(path, regions) for path in expanded(paths)]
    batch = submission_id or uuid.uuid4().hex
    tally = Tally("submitted")
    with access.client() as client:
        taken = _counted(
            client.submit(pictures, submission_id=batch, options=options),
            tally,
            total=len(pictures),
            shown=form.leaves_room,
        )
        if wait:
            layout = print_as(form, regions=len(regions), prompts=len(prompts))
            _print_records(client, batch, list(taken), layout)
        else:
            _print_receipts(taken, form)
    tally.finish("" if wait else f"; follow with: fovea submission {batch}")


def submission(
    access: Access,
    submission_id: Annotated[str, typer.Argument(help="The name of the batch.")],
    *,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Say how far a batch is."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client, open_sheet(form, _SUBMISSION) as sheet:
        told = client.submission(submission_id)
        cells = (told.submission_id, told.accepted, told.completed, told.failed, told.pending)
        sheet.add(cells, dict(zip((column.name for column in _SUBMISSION), cells, strict=True)))


def _counted(receipts: Iterable[Receipt], tally: Tally, *, total: int, shown: bool) -> Iterator[Receipt]:
    """Yield the receipts of the pictures that were taken, as they come."""
    with progress("submitting", total, shown=shown) as show:
        for receipt in receipts:
            tally.count(receipt.source, receipt.failure)
            show(tally.seen)
            if not receipt.failed:
                yield receipt


def _print_receipts(receipts: Iterable[Receipt], form: Form) -> None:
    with open_sheet(form, _RECEIPT) as sheet:
        for receipt in receipts:
            accepted = receipt.accepted_at.strftime("%Y-%m-%dT%H:%M:%SZ") if receipt.accepted_at else ""
            sheet.add((receipt.source, receipt.recognition_id, accepted), receipt)


def _print_records(client: Client, batch: str, receipts: Sequence[Receipt], layout: Layout) -> None:
    """Wait for the batch and print its records in the order of the receipts."""
    tally = Tally("recognised")
    _wait(client, batch, len(receipts), shown=layout.form.leaves_room)
    print_answers(_records(client, receipts, tally), layout)
    tally.finish()


def _wait(client: Client, batch: str, count: int, *, shown: bool) -> None:
    pause_s = _FIRST_LOOK_S
    with progress("recognising", count, shown=shown) as show:
        while count:
            told = client.submission(batch)
            ended = told.completed + told.failed
            show(ended)
            if ended >= count:
                return
            time.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _SLOWEST_LOOK_S)


def _records(client: Client, receipts: Sequence[Receipt], tally: Tally) -> Iterator[Recognition]:
    for receipt in receipts:
        answer = client.recognition(receipt.recognition_id)
        tally.count(receipt.source, answer.failure)
        yield replace(answer, source=receipt.source)
