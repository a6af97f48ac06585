"""`fovea collections calibrate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from fovea.cli.access import Access
from fovea.cli.sheets import Form, JsonFlag, chosen_form, write_json
from fovea.cli.terminal import progress, say
from fovea.client import Calibrating, Calibration

ErrorRate = Annotated[
    float, typer.Option(help="Share of what is known that may be called unknown.", min=0, max=1)
]
Exemplars = Annotated[int, typer.Option(help="Most exemplars that are asked about.", min=1)]


def calibrate(
    access: Access,
    name: Annotated[str, typer.Argument(help="Of the collection.")],
    *,
    error_rate: ErrorRate = 0.05,
    exemplars: Exemplars = 500,
    seed: Annotated[int, typer.Option(help="Which ones are asked about follows from it.", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be chosen.")] = False,
    json_lines: JsonFlag = False,
) -> None:
    """Choose a collection's thresholds of trust and unknown on its own exemplars.

    Each exemplar of a sample is asked about as a new picture, with itself left out.
    """
    form = chosen_form(json_lines=json_lines)
    with access.client() as client:
        found = _followed(
            client.calibrate_collection(
                name, error_rate=error_rate, exemplars=exemplars, seed=seed, dry_run=dry_run
            ),
            form,
        )
    if found is None:
        raise typer.Exit(1)
    if form is Form.JSON:
        write_json(found)
    else:
        _tell(found, dry_run=dry_run)


def _followed(steps: Iterator[Calibrating], form: Form) -> Calibration | None:
    found = None
    with progress("asking", None, shown=form.leaves_room) as show:
        for step in steps:
            show(step.done, step.all)
            found = step.calibration
    return found


def _tell(found: Calibration, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    say(
        f"unknown: {would}above {found.unknown_threshold:.3f}; at most {found.error_rate:.1%} of what is "
        f"known, {found.refused:.1%} of the {found.exemplars} asked about"
    )
    if found.trust_threshold is None:
        say(f"trust: stays as it is, since {found.reason}")
        return
    say(
        f"trust: {would}from a margin of {found.trust_threshold:.3f}; a model is asked about "
        f"{found.asked:.1%}"
    )
    say(
        f"right: {found.accuracy:.1%} so, {found.retrieval_accuracy:.1%} by retrieval alone, "
        f"{found.ranking_accuracy:.1%} if a model is always asked"
    )
    if found.reason:
        say(f"no model is asked: {found.reason}")
