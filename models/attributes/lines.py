"""A sheet as JSON lines: the first says what it is, each other one is a record. Lists are lists."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from models.attributes.fields import MOST_TEXT, FieldError, Taken, fields_of
from models.attributes.records import (
    LEAKS,
    SCHEMA,
    AttributeRecord,
    ClassRecord,
    DescriptionRecord,
    ImageRecord,
    Record,
    Sheet,
    ValueRecord,
)

_MOST_SHEET_NAME: Final = 48
_SHEET_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALWAYS: Final = ("label", "text", "values", "synonyms")
"""Fields that are written even where they say nothing, for people to fill in."""


class Problem(NamedTuple):
    """What is wrong in which line of the file; the first is 1."""

    line: int
    message: str


class SheetError(ValueError):
    """A sheet that cannot be used.

    Attributes:
        problems: In order of lines.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"line {each.line}: {each.message}" for each in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Parsed:
    """A sheet, the line of each record, and what was wrong; then the sheet has what was right."""

    sheet: Sheet
    line_of: Mapping[tuple[str, ...], int]
    problems: tuple[Problem, ...]


def read(path: Path) -> Sheet:
    """Return the sheet of a file. Raises SheetError, OSError."""
    parsed = parse(path.read_bytes())
    if parsed.problems:
        raise SheetError(parsed.problems)
    return parsed.sheet


def parse(data: bytes) -> Parsed:
    """Read a sheet as far as it can be read; blank lines count as lines and say nothing."""
    head = Sheet()
    records: dict[tuple[str, ...], Record] = {}
    line_of: dict[tuple[str, ...], int] = {}
    problems: list[Problem] = []
    seen_head = False
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = fields_of(line)
            if not seen_head:
                seen_head, head = True, _head(fields)
                continue
            record = _record(fields)
        except (FieldError, UnicodeDecodeError, RecursionError) as error:
            problems.append(Problem(number, str(error)))
            seen_head = True
            continue
        if record.key in records:
            problems.append(Problem(number, _twice(record, records[record.key], line_of[record.key])))
            continue
        records[record.key], line_of[record.key] = record, number
    if not seen_head:
        problems.append(Problem(1, "the file is empty; it begins with a line whose record is `sheet`"))
    return Parsed(replace(head, records=records), line_of, tuple(problems))


def _twice(record: Record, other: Record, line: int) -> str:
    if isinstance(record, ImageRecord) and isinstance(other, ImageRecord) and record.split != other.split:
        return f"the picture is of the split {record.split!r}, and of {other.split!r} in line {line}"
    what = " ".join(part for part in record.key if part)
    return f"{what!r} stands in line {line} already"


def write(path: Path, sheet: Sheet) -> None:
    """Write a sheet, whole or not at all. Raises OSError."""
    text = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in _objects(sheet))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _objects(sheet: Sheet) -> Iterator[Mapping[str, Any]]:
    yield {
        "record": "sheet",
        "schema": SCHEMA,
        "version": sheet.version,
        "name": sheet.name,
        "domain": sheet.domain,
        "super_class": sheet.super_class,
        "leaks": sheet.leaks,
        "split": sheet.split,
    }
    for key, record in sheet.records.items():
        fields = asdict(record)
        made = fields.pop("made", None)
        edited = fields.pop("edited", None)
        told = {"record": key[0], **{name: each for name, each in fields.items() if each or name in _ALWAYS}}
        if made is not None:
            told["made"] = {name: each for name, each in made.items() if each}
            told["edited"] = edited
        yield told


def _head(fields: Mapping[str, Any]) -> Sheet:
    if fields.get("record") != "sheet":
        raise FieldError('the first line must be {"record": "sheet", "schema": 1, ...}')
    taken = Taken(fields, "sheet")
    taken.text("record")
    schema, version = taken.number("schema"), taken.number("version")
    if schema != SCHEMA:
        raise FieldError(f"sheet: schema {schema} is not known here; it is {SCHEMA}")
    name = taken.text("name", most=_MOST_SHEET_NAME)
    if not _SHEET_NAME.fullmatch(name):
        raise FieldError(f"sheet: `name` is {name!r}; it may have letters, digits, `.`, `_` and `-`")
    names = ("domain", "super_class", "split")
    domain, super_class, split = (taken.text(each, default="") for each in names)
    leaks = taken.text("leaks", default=LEAKS[0])
    if leaks not in LEAKS:
        raise FieldError(f"sheet: `leaks` is {leaks!r}; it must be one of {', '.join(LEAKS)}")
    taken.end()
    return Sheet(name, domain, super_class, version, split, leaks)


def _record(fields: Mapping[str, Any]) -> Record:
    kind = fields.get("record")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise FieldError(f"`record` is {kind!r}; it must be one of {', '.join(_READERS)}")
    taken = Taken(fields, str(kind))
    taken.text("record")
    found = reader(taken)
    taken.end()
    return found


def _class(taken: Taken) -> ClassRecord:
    return ClassRecord(taken.text("label"), taken.texts("synonyms"))


def _image(taken: Taken) -> ImageRecord:
    image = _digest(taken.text("image"))
    return ImageRecord(
        image, taken.text("label"), taken.text("split"), taken.text("path", most=4096, default="")
    )


def _attribute(taken: Taken) -> AttributeRecord:
    return AttributeRecord(taken.text("name"), taken.texts("values"), taken.made(), taken.flag("edited"))


def _value(taken: Taken) -> ValueRecord:
    label, attribute, values = taken.text("label"), taken.text("attribute"), taken.texts("values")
    return ValueRecord(label, attribute, values, _of_image(taken), taken.made(), taken.flag("edited"))


def _description(taken: Taken) -> DescriptionRecord:
    label, text = taken.text("label"), taken.text("text", most=MOST_TEXT)
    return DescriptionRecord(label, text, _of_image(taken), taken.made(), taken.flag("edited"))


def _of_image(taken: Taken) -> str:
    image = taken.text("image", default="")
    return _digest(image) if image else ""


def _digest(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):  # noqa: PLR2004  (hexadecimal of SHA-256)
        raise FieldError("`image` must be the SHA-256 of the picture, 64 digits in small letters")
    return text


_READERS: Final[Mapping[str, Callable[[Taken], Record]]] = {
    "class": _class,
    "image": _image,
    "attribute": _attribute,
    "value": _value,
    "description": _description,
}
