"""Hierarchies of labels as files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import typer

_COLUMNS = ("label", "parent")


def parsed_hierarchy(text: str) -> Mapping[str, str]:
    """Read `none`, or the CSV file of that name with the columns label and parent.

    Raises typer.BadParameter, which names the line, if there is no such file or it says a label twice.
    """
    if text == "none":
        return {}
    try:
        lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{text} cannot be read: {error}", param_hint="--hierarchy") from error
    reader = csv.DictReader(lines, restval="")
    if tuple(reader.fieldnames or ())[:2] != _COLUMNS:
        raise typer.BadParameter(f"{text} must begin with the line label,parent", param_hint="--hierarchy")
    parents: dict[str, str] = {}
    for row in reader:
        label = row["label"].strip()
        if label in parents:
            raise typer.BadParameter(
                f"line {reader.line_num} of {text} names {label!r} again; a label is a kind of one other",
                param_hint="--hierarchy",
            )
        parents[label] = row["parent"].strip()
    return parents
