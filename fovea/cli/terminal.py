"""Text for terminals: nothing that comes from outside can colour, move or hide anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from fovea.client import FoveaError

_PIPE_WIDTH: Final = 160


def clean(text: str) -> str:
    r"""Return the text with everything that is not printable escaped.

    >>> print(clean("gold\x1b[31mfinch"))
    gold\x1b[31mfinch
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def plain(text: str, style: str = "") -> Text:
    """Return text in which nothing is markup."""
    return Text(clean(text), style=style)


@cache
def out() -> Console:
    """Return the console for results; a file or a pipe has room for long lines."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(highlight=False, width=wide)


@cache
def err() -> Console:
    """Return the console for progress, notes and errors."""
    return Console(stderr=True, highlight=False)


def counted(number: int, noun: str) -> str:
    """Return `1 label`, `2 labels`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """Tell people something that is no result."""
    err().print(plain(text), soft_wrap=True)


def complain(what: str, error: FoveaError) -> None:
    """Tell people what did not work, why, and where to look."""
    where = f", field {error.field}" if error.field else ""
    line = Text.assemble(
        plain(f"{what}: " if what else "", "bold"),
        plain(error.message, "red"),
        plain(f" ({error.reason}{where})", "dim"),
    )
    err().print(line, soft_wrap=True)


@contextmanager
def progress(what: str, total: int | None, *, shown: bool = True) -> Iterator[Callable[..., None]]:
    """Show how far long work is, if a person watches.

    Yields what takes the number done so far, and of how many if that is known only then.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not (shown and sys.stderr.isatty()),
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of=None: bar.update(task, completed=done, total=of)
