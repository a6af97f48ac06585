"""Results in the three forms: tables for people, JSON lines and CSV for programs."""

from __future__ import annotations

import csv
import dataclasses
import enum
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple, Protocol, Self

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from fovea.cli.terminal import out, plain
from fovea.client import FoveaError


class Form(enum.Enum):
    """What results look like."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"

    @property
    def leaves_room(self) -> bool:
        """Whether a progress bar would not stand in the middle of results."""
        return self is Form.TABLE or not sys.stdout.isatty()


JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON lines.", rich_help_panel="Output")]
CsvFlag = Annotated[bool, typer.Option("--csv", help="Print CSV.", rich_help_panel="Output")]


def chosen_form(*, json_lines: bool, csv_lines: bool = False) -> Form:
    """Return the form that the flags ask for. Raises typer.BadParameter for both."""
    if json_lines and csv_lines:
        raise typer.BadParameter("choose one of --json and --csv")
    if json_lines:
        return Form.JSON
    return Form.CSV if csv_lines else Form.TABLE


def _shown(value: Any) -> Text:
    return plain("" if value is None else str(value))


class Column(NamedTuple):
    """A column: `show` makes a cell for people, `title` stands above it, `whole` never breaks it."""

    name: str
    show: Callable[[Any], Text] = _shown
    number: bool = False
    title: str = ""
    whole: bool = False


class Sheet(Protocol):
    """Takes rows one by one; ending the block completes it."""

    def add(self, row: Sequence[Any], record: Any) -> None:
        """Take one row: its cells, and the whole of it for JSON."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_sheet(form: Form, columns: Sequence[Column], *, title: str = "") -> Sheet:
    """Return an empty sheet of the form."""
    if form is Form.JSON:
        return JsonSheet()
    if form is Form.CSV:
        return CsvSheet([column.name for column in columns])
    return TableSheet(columns, title)


class TableSheet:
    """Draws a table when all rows are there, or when the work was interrupted."""

    def __init__(self, columns: Sequence[Column], title: str) -> None:
        self._columns = columns
        self._table = Table(box=box.SIMPLE_HEAD, title=plain(title) if title else None, title_justify="left")
        for column in columns:
            self._table.add_column(
                column.title or column.name.replace("_", " "),
                justify="right" if column.number else "left",
                overflow="fold",
                no_wrap=column.number or column.whole,
            )

    def add(self, row: Sequence[Any], record: Any) -> None:  # noqa: ARG002  (people see the cells)
        """Add one row."""
        cells = [column.show(value) for column, value in zip(self._columns, row, strict=True)]
        self._table.add_row(*cells)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._table.row_count:
            out().print(self._table)


class CsvSheet:
    """Writes each row at once, below one line of names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(names)

    def add(self, row: Sequence[Any], record: Any) -> None:  # noqa: ARG002  (CSV has the cells)
        """Write one row."""
        self._writer.writerow(["" if value is None else value for value in row])
        sys.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


class JsonSheet:
    """Writes each record at once, one line each; several rows of one record are one line."""

    def __init__(self) -> None:
        self._last: Any = None

    def add(self, row: Sequence[Any], record: Any) -> None:  # noqa: ARG002  (JSON has the record)
        """Write the record, unless the last row was of the same one."""
        if record is not self._last:
            self._last = record
            write_json(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


def write_json(value: Any) -> None:
    """Write one JSON line."""
    sys.stdout.write(json_line(value))
    sys.stdout.flush()


def json_line(value: Any) -> str:
    """Return a value of the client as one JSON line."""
    return json.dumps(as_record(value), ensure_ascii=False) + "\n"


def as_record(value: Any) -> Any:  # noqa: PLR0911  (one line for each kind of value)
    """Return a value of the client as plain JSON; the names are those of the Python client."""
    if isinstance(value, FoveaError):
        return {"reason": value.reason, "message": value.message, "field": value.field}
    if dataclasses.is_dataclass(value):
        headline = {
            name: as_record(getattr(value, name))
            for name in ("best", "status", "failed")
            if _has(value, name)
        }
        names = [field.name for field in dataclasses.fields(value) if field.name != "raw"]
        return headline | {name: as_record(getattr(value, name)) for name in names}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "_asdict"):
        return as_record(value._asdict())
    if isinstance(value, Mapping):
        return {name: as_record(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_record(entry) for entry in value]
    return value


def _has(value: Any, name: str) -> bool:
    return isinstance(getattr(type(value), name, None), property)


def percent(value: Any) -> Text:
    """Show a probability."""
    return plain("" if value is None else f"{value:.1%}")


def yes(value: Any) -> Text:
    """Show a truth."""
    return plain("yes" if value else "no")
