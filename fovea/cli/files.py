"""Finds pictures: sorted, hidden ones left out, the same order every time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import typer

_PICTURES: Final = re.compile(r"\.(avif|bmp|gif|hei[cf]|jfif|jpe?g?|png|svg|tiff?|webp)", re.IGNORECASE)
"""Names of pictures. The server looks at the content and says which of them it cannot read."""


def is_picture(path: Path) -> bool:
    """Return whether the name is that of a picture; one without an ending may be."""
    return not path.suffix or _PICTURES.fullmatch(path.suffix) is not None


def pictures_in(folder: Path) -> Iterator[Path]:
    """Yield the pictures of a folder and of those below it, folder by folder in order of their names.

    Raises:
        typer.BadParameter: The folder cannot be read.
    """
    for entry in visible(folder):
        if entry.is_dir():
            if not entry.is_symlink():  # or a link to a parent would have no end
                yield from pictures_in(entry)
        elif is_picture(entry):
            yield entry


def visible(folder: Path) -> list[Path]:
    """Return what a folder holds, hidden entries left out, in order of the names."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise typer.BadParameter(f"cannot read {folder}: {error.strerror}") from error


def expanded(paths: Iterable[Path]) -> list[Path]:
    """Return the pictures that the arguments name: files as they are, folders with all they hold.

    Raises:
        typer.BadParameter: There is no picture at all.
    """
    found: list[Path] = []
    for path in paths:
        found.extend(pictures_in(path) if path.is_dir() else [path])
    if not found:
        raise typer.BadParameter("there are no pictures in " + ", ".join(map(str, paths)))
    return found
