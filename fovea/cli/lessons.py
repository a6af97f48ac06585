"""What `fovea teach` teaches: folders, tables, single pictures, names and attributes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from fovea.cli.files import is_picture, pictures_in, visible
from fovea.client import AttributeValue, Box, Lesson

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_FLAGS: Final = {"true": True, "false": False}
_RESERVED: Final = frozenset({"path", "label", "name", "attribute", "box"})
_DELIMITERS: Final = ",;\t"


@dataclass(frozen=True)
class Planned:
    """One lesson, and where it comes from, for messages."""

    source: str
    lesson: Lesson


def planned_from_path(path: Path, *, label: str = "") -> Iterator[Planned]:
    """Yield the lessons of a folder, a CSV table or a picture.

    Args:
        path: A folder with one sub-folder for each label, a table, or, with a label, a picture or a folder.
        label: What all pictures show; empty: the sub-folder or the table says so.

    Raises:
        typer.BadParameter: There is no such thing, or it does not say which label is meant.
    """
    if not path.exists():
        raise typer.BadParameter(f"{path} does not exist")
    if path.is_dir():
        return _of_folder(path, label)
    if path.suffix.lower() == ".csv":
        return _of_table(path)
    if label:
        return iter([_picture(path, label)])
    raise typer.BadParameter(f"{path} is one picture: say what it shows with --label")


def planned_texts(names: Iterable[str], attributes: Iterable[str], *, label: str = "") -> Iterator[Planned]:
    """Yield the lessons of names and attributes; a name without a label is its own label."""
    for name in names:
        yield Planned(name, Lesson(label or name, name=name))
    for attribute in attributes:
        if not label:
            raise typer.BadParameter("--attribute needs --label: whose attribute is it?")
        yield Planned(attribute, Lesson(label, attribute=attribute))


def _of_folder(folder: Path, label: str) -> Iterator[Planned]:
    if label:
        return (_picture(path, label) for path in pictures_in(folder))
    folders = [entry for entry in visible(folder) if entry.is_dir()]
    if not folders:
        raise typer.BadParameter(f"{folder} has no sub-folders: name one for each label, or give --label")
    return (_picture(path, entry.name) for entry in folders for path in pictures_in(entry))


def left_out(folder: Path) -> int:
    """Return how many files of a folder are left out because their names are not those of pictures."""
    files = (entry for entry in folder.rglob("*") if entry.is_file())
    return sum(not is_picture(path) for path in files if not _is_hidden(path.relative_to(folder)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _picture(path: Path, label: str) -> Planned:
    return Planned(str(path), Lesson(label, image=path))


def _of_table(path: Path) -> Iterator[Planned]:
    rows = _rows(path)
    names = set(rows[0]) if rows else set()
    if not names & {"path", "name", "attribute"} or not names & {"label", "name"}:
        raise typer.BadParameter(
            f"{path} needs a first line that names its columns: path,label or name or label,attribute"
        )
    return (_row(path, number, row) for number, row in enumerate(rows, start=2))


def _rows(path: Path) -> list[Mapping[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise typer.BadParameter(f"cannot read {path}: {error}") from error
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, restkey="", restval="")
    return [{(name or "").strip(): value for name, value in row.items()} for row in reader]


def _row(table: Path, number: int, row: Mapping[str, str]) -> Planned:
    """Return the lesson of one row; one without a label or picture fails later, as any other."""
    cell = {name: row.get(name, "").strip() for name in _RESERVED}
    lesson = Lesson(
        label=cell["label"] or cell["name"],
        image=table.parent / cell["path"] if cell["path"] else None,
        name=cell["name"] if cell["name"] and not cell["path"] else None,
        attribute=cell["attribute"] or None,
        region=parsed_box(cell["box"], source=f"{table}:{number}: ") if cell["box"] else None,
        attributes={
            name: parsed_value(value.strip())
            for name, value in row.items()
            if name and name not in _RESERVED and value.strip()
        },
    )
    return Planned(f"{table}:{number}", lesson)


def parsed_value(text: str) -> AttributeValue:
    """Read a cell: `true` and `false` are flags, 12 and 0.5 numbers, all else (and 007) is text."""
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    return float(text) if _NUMBER.fullmatch(text) else text


def parsed_box(text: str, *, source: str = "") -> Box:
    """Read a box such as `10,20,200,220`. Raises typer.BadParameter, naming the source."""
    try:
        left, top, right, bottom = map(float, re.split(r"[\s,]+", text.strip()))
    except ValueError:
        raise typer.BadParameter(f"{source}{text!r} is not a box: LEFT,TOP,RIGHT,BOTTOM in pixels") from None
    return Box(left, top, right, bottom)
