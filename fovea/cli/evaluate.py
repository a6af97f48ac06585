"""`fovea evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.lessons import planned_from_path
from fovea.cli.scores import ASKED, Asked, scores, threshold_for
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, percent
from fovea.cli.tally import Tally
from fovea.cli.terminal import progress, say
from fovea.client import Client, Lesson, Options, Picture

_COLUMNS: Final = (
    Column("measure"),
    Column("share", percent, number=True),
    Column("low", percent, number=True),
    Column("high", percent, number=True),
    Column("hits", number=True),
    Column("n", number=True),
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "fovea evaluate test/",
        "fovea evaluate test.csv --csv > scores.csv",
        "fovea evaluate test/ --level-threshold 0.8",
        "fovea evaluate calibration/ --calibrate 0.05",
        panel="Recognition",
    )(evaluate)


def evaluate(
    access: Access,
    path: Annotated[
        Path, typer.Argument(help="A folder with one sub-folder for each label, or a table: as for `teach`.")
    ],
    *,
    level_threshold: Annotated[
        float | None, typer.Option(help="In place of the collection's.", min=0, max=1)
    ] = None,
    unknown_threshold: Annotated[
        float | None, typer.Option(help="In place of the collection's.", min=0, max=1)
    ] = None,
    mistaken: Annotated[
        float | None,
        typer.Option(
            "--calibrate",
            metavar="SHARE",
            help="Say from which threshold on no more than this share of what is known is taken for unknown.",
            min=0,
            max=1,
        ),
    ] = None,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Ask pictures whose labels are known, and count the answers. Nothing is taught.

    Candidates are what retrieval proposes: no answer can be right oftener than the truth is among them. Ask
    other pictures than those that were taught. Shares have their 95 % interval (low, high); a picture that
    cannot be read is named and left out.
    """
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    lessons = [planned.lesson for planned in planned_from_path(path) if planned.lesson.image is not None]
    if not lessons:
        raise typer.BadParameter(f"{path} has no pictures")
    options = Options(size=ASKED, level_threshold=level_threshold, unknown_threshold=unknown_threshold)
    tally = Tally("asked")
    with access.client() as client:
        labels = frozenset(entry.label for entry in client.labels())
        parents = client.get_collection().hierarchy
        asked = list(_asked(client, lessons, options, tally, shown=form.leaves_room))
    with open_sheet(form, _COLUMNS) as sheet:
        for score in scores(asked, labels, parents):
            sheet.add((score.measure, score.share, score.low, score.high, score.hits, score.n), score)
    if mistaken is not None:
        threshold = threshold_for(asked, labels, mistaken=mistaken)
        say(
            f"no more than {mistaken:.0%} of what is known is taken for unknown with --unknown-threshold "
            f"{threshold:.4f}: give that to `fovea collections update`, and ask other pictures then"
        )
    if form is Form.TABLE:
        tally.finish(_note(lessons, labels))
    tally.check()


def _asked(
    client: Client, lessons: Sequence[Lesson], options: Options, tally: Tally, *, shown: bool
) -> Iterator[Asked]:
    pictures = [Picture(lesson.image or b"", _regions(lesson)) for lesson in lessons]
    with progress("asking", len(pictures), shown=shown) as show:
        answers = client.recognize_many(pictures, options=options)
        for lesson, answer in zip(lessons, answers, strict=True):
            tally.count(answer.source, answer.failure)
            show(tally.seen)
            if answer.regions:
                yield Asked(lesson.label, answer.regions[0])


def _regions(lesson: Lesson) -> Sequence[Any]:
    return () if lesson.region is None else (lesson.region,)


def _note(lessons: Sequence[Lesson], labels: frozenset[str]) -> str:
    strange = {lesson.label for lesson in lessons} - labels
    return f"; {len(strange)} of their labels were never taught" if strange else ""
