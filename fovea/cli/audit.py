"""`fovea memory audit`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from fovea.cli.access import Access, command
from fovea.cli.sheets import Column, CsvFlag, Form, JsonFlag, chosen_form, open_sheet
from fovea.cli.terminal import counted, say
from fovea.client import Audit, Coverage, Exemplar, Finding

_FINDINGS: Final = (
    Column("finding"),
    Column("exemplar_id", whole=True),
    Column("label"),
    Column("other_id", whole=True),
    Column("other_label"),
    Column("cosine", number=True),
    Column("suggested_label"),
)
_LABELS: Final = (
    Column("label"),
    Column("images", number=True),
    Column("names", number=True),
    Column("attributes", number=True),
    Column("asked", number=True),
    Column("first", number=True, title="found first"),
    Column("in_five", number=True, title="in five"),
    Column("confused_with"),
)


def add_to(group: typer.Typer) -> None:
    """Add the command to those of `fovea memory`."""
    command(
        group,
        "fovea memory audit",
        "fovea memory audit --labels --csv > coverage.csv",
        "fovea memory audit --duplicate 0.95 --json | jq .exemplar.exemplar_id",
    )(audit)


def audit(
    access: Access,
    *,
    labels: Annotated[
        bool, typer.Option("--labels", help="List every label, the worst first, in place of the findings.")
    ] = False,
    space: Annotated[str, typer.Option(help="Whose vectors are compared; pictures by default.")] = "",
    duplicate: Annotated[
        float | None, typer.Option(help="Cosine from which two show the same thing.", min=0, max=1)
    ] = None,
    neighbours: Annotated[
        int | None, typer.Option(help="How many say what label one should have.", min=1, max=100)
    ] = None,
    least: Annotated[int | None, typer.Option(help="Exemplars that a label should have.", min=1)] = None,
    json_lines: JsonFlag = False,
    csv_lines: CsvFlag = False,
) -> None:
    """Look for doubles, contradictions, strangers and thin classes. Nothing is changed.

    A *near duplicate* shows the same as another exemplar of its label; a *label conflict* the same as one of
    another label. Of a *suspect label* the neighbours say something else. An *outlier* is unlike its class.
    """
    form = chosen_form(json_lines=json_lines, csv_lines=csv_lines)
    with access.client() as client:
        found = client.audit(space=space, duplicate=duplicate, neighbours=neighbours, least=least)
    if labels:
        with open_sheet(form, _LABELS) as sheet:
            for each in found.coverage:
                sheet.add(_label_row(each), each)
    else:
        with open_sheet(form, _FINDINGS) as sheet:
            for finding in found.findings:
                sheet.add(_finding_row(finding), finding)
    if form is Form.TABLE:
        say(_summary(found))


def _finding_row(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.kind.replace("_", " "),
        *_named(finding.exemplar),
        *_named(finding.other),
        f"{finding.similarity:.3f}",
        finding.suggested_label,
    )


def _named(exemplar: Exemplar | None) -> tuple[str, str]:
    return (exemplar.exemplar_id, exemplar.label) if exemplar else ("", "")


def _label_row(each: Coverage) -> tuple[Any, ...]:
    confused = ", ".join(f"{label} {times}" for label, times in each.confused_with.items())
    counts = (each.images, each.names, each.attributes, each.asked)
    return each.label, *counts, each.found.get(1, 0), each.found.get(5, 0), confused


def _summary(found: Audit) -> str:
    known = f"{counted(found.exemplars, 'exemplar')}, {counted(found.labels, 'label')}"
    if not found.asked:
        return f"{known}; none of them has a vector in this space"
    shares = f"{found.recall(1):.0%} first, {found.recall(5):.0%} in five"
    return (
        f"{known} ({found.thin_labels} thin); {counted(len(found.findings), 'finding')}. "
        f"Each asked with itself left out: {shares} (n = {found.asked})"
    )
