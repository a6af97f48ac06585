"""`fovea correct`, `forget`, `labels` and `exemplars`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from fovea.cli.access import Access, command
from fovea.cli.exits import ExitCode
from fovea.cli.lessons import parsed_value
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet, write_json
from fovea.cli.terminal import counted, plain, say
from fovea.client import AttributeValue, Exemplar


def _attributes(value: Any) -> Text:
    return plain(", ".join(f"{name}={entry}" for name, entry in value.items()))


_LABELS: Final = (Column("label"), Column("exemplars", number=True))
_EXEMPLARS: Final = (
    Column("exemplar_id", whole=True),
    Column("label"),
    Column("kind"),
    Column("content"),
    Column("attributes", _attributes),
)
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="NAME=VALUE", help="Only those with this attribute; may be repeated."),
]
LabelFilter = Annotated[str, typer.Option("--label", help="Only those of this label.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "fovea correct 4f0c… goldfinch",
        'fovea correct 4f0c… "house sparrow" --region 1',
        panel="Memory",
    )(correct)
    command(
        app,
        "fovea forget 8d1f… 77ab…",
        "fovea forget --label goldfinch",
        "fovea forget 8d1f… --erase",
        panel="Memory",
    )(forget)
    command(app, "fovea labels", "fovea labels --csv > labels.csv", panel="Memory")(labels)
    command(
        app,
        "fovea exemplars",
        "fovea exemplars --label goldfinch --where continent=Africa",
        "fovea exemplars --json | jq -r .exemplar_id",
        panel="Memory",
    )(exemplars)


def correct(
    access: Access,
    recognition_id: Annotated[str, typer.Argument(help="As the answer gave it.")],
    label: Annotated[str, typer.Argument(help="What it really is.")],
    *,
    region: Annotated[str, typer.Option(help="Which region of the picture.")] = "0",
    json_lines: JsonFlag = False,
) -> None:
    """Give the right label of an answer: it is learnt at once, and kept as feedback for training."""
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        taught = client.correct(recognition_id, label, region_id=region)
    if form is Form.JSON:
        write_json({"exemplar_id": taught.exemplar_id, "memory_version": taught.memory_version})
    else:
        say(f"learnt: exemplar {taught.exemplar_id} shows {label}")


def forget(
    access: Access,
    exemplar_ids: Annotated[list[str] | None, typer.Argument(metavar="[EXEMPLAR_ID]...")] = None,
    *,
    label: Annotated[str, typer.Option(help="Forget all exemplars of this label.")] = "",
    erase: Annotated[
        bool,
        typer.Option("--erase", help="For good: no version brings them back, their pictures are deleted."),
    ] = False,
    json_lines: JsonFlag = False,
) -> None:
    """Forget exemplars by id, or all of a label."""
    if bool(exemplar_ids) == bool(label):
        raise typer.BadParameter("name exemplar ids, or a --label, and not both")
    form = chosen_form(json_lines=json_lines)
    asked = exemplar_ids or []
    with access.client() as client:
        forgotten = client.forget(asked, label=label, erase=erase)
    if form is Form.JSON:
        write_json({"forgotten": forgotten.count, "memory_version": forgotten.memory_version})
    else:
        say(f"{'erased' if erase else 'forgot'} {counted(forgotten.count, 'exemplar')}")
    if erase:
        return  # what only a version has is not counted
    if not forgotten.count:
        raise typer.Exit(ExitCode.NOT_FOUND)
    if forgotten.count < len(set(asked)):
        raise typer.Exit(ExitCode.SOME_FAILED)


def labels(access: Access, *, json_lines: JsonFlag = False, csv_lines: CsvFlag = False) -> None:
    """List the labels of the collection with the number of exemplars of each."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        counts = client.labels()
    with open_sheet(form, _LABELS) as sheet:
        for count in counts:
            sheet.add((count.label, count.exemplars), count)
    if form is Form.TABLE:
        total = sum(count.exemplars for count in counts)
        known = f"{counted(len(counts), 'label')}, {counted(total, 'exemplar')}"
        say(f"{known} in {access.tenant}/{access.collection}")


def exemplars(
    access: Access,
    *,
    label: LabelFilter = "",
    where: Where = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most to list.")] = None,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """List the exemplars in order of their ids."""
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    conditions = _conditions(where or [])
    with access.client() as client, open_sheet(form, _EXEMPLARS) as sheet:
        for exemplar in islice(client.exemplars(label=label, where=conditions), limit):
            sheet.add(_row(exemplar), exemplar)


def _row(exemplar: Exemplar) -> tuple[Any, ...]:
    content = exemplar.image.digest[:12] if exemplar.image else exemplar.text
    return exemplar.exemplar_id, exemplar.label, exemplar.kind, content, dict(exemplar.attributes)


def _conditions(tests: list[str]) -> dict[str, AttributeValue]:
    pairs = [test.partition("=") for test in tests]
    if not all(name and separator for name, separator, _ in pairs):
        raise typer.BadParameter("a condition is NAME=VALUE", param_hint="--where")
    return {name: parsed_value(value) for name, _, value in pairs}
