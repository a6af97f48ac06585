"""A data set: a folder of pictures and a `manifest.csv` that says of each what it is.

Columns `id,path,label,split,licence,sha256`, then whatever the set knows besides. Nothing of a manifest is
trusted: a path may not leave the folder, a picture must have the digest that is written beside it, and one
content in two splits is an error, because whoever trains on it and then asks for it measures nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from models.files import digest

MANIFEST: Final = "manifest.csv"
_FIXED: Final = ("id", "path", "label", "split", "licence", "sha256")


class DataError(ValueError):
    """A data set is not what it says it is."""


class BadManifest(DataError):
    """The manifest cannot be read, lacks a column, or has a line with nothing in a column it needs."""


class HostilePath(DataError):
    """A path of the manifest leads out of its folder."""


class MissingPicture(DataError):
    """The manifest names a file that is not there."""


class WrongDigest(DataError):
    """A file has another content than the manifest says."""


class DuplicateId(DataError):
    """Two lines of a manifest have the same id."""


class LeakedContent(DataError):
    """The same content stands in two splits: the message names both lines."""


@dataclass(frozen=True)
class Row:
    """One picture.

    Attributes:
        id: Unique in its set.
        path: Relative to the manifest's folder, with forward slashes.
        label: What it shows.
        split: What it may be used for; the sets say what their splits mean.
        licence: Of the picture, not of the package that carries it.
        sha256: Of the file, in hexadecimal.
        columns: What else the set knows of it, by name of the column.
    """

    id: str
    path: str
    label: str
    split: str
    licence: str
    sha256: str
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, column: str) -> str:
        """Return a column of the set; empty where the set has none of that name."""
        return self.columns.get(column, "")


@dataclass(frozen=True)
class Manifest:
    """The rows of a set, or some of them, and where their files are."""

    name: str
    folder: Path
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def file(self, row: Row) -> Path:
        """Return where a row's picture is."""
        return self.folder / row.path

    def where(self, wanted: Callable[[Row], bool]) -> Manifest:
        """Return the same set with fewer rows."""
        return Manifest(self.name, self.folder, tuple(row for row in self.rows if wanted(row)))


def read(folder: Path) -> Manifest:
    """Return a set whose every file was found and has the digest that its manifest states.

    Raises:
        BadManifest, HostilePath, MissingPicture, WrongDigest, DuplicateId, LeakedContent: See each.
    """
    manifest = Manifest(folder.name, folder, tuple(_rows(folder / MANIFEST)))
    check(manifest.rows)
    for row in manifest.rows:
        _check_file(manifest, row)
    return manifest


def write(folder: Path, rows: Iterable[Row]) -> Manifest:
    """Write the manifest of pictures that lie in a folder already, the same bytes for the same rows.

    Raises:
        DuplicateId, LeakedContent: As `read`; nothing is written then.
    """
    listed = tuple(rows)
    check(listed)
    extra = sorted({column for row in listed for column in row.columns})
    with (folder / MANIFEST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*_FIXED, *extra])
        for row in listed:
            fixed = [row.id, row.path, row.label, row.split, row.licence, row.sha256]
            writer.writerow([*fixed, *(row[column] for column in extra)])
    return Manifest(folder.name, folder, listed)


def check(rows: Iterable[Row]) -> None:
    """Raise DuplicateId for an id that stands twice, LeakedContent for a content in two splits.

    Rows of several sets may be given together, to see that nothing of one is in another's evaluation.
    """
    ids: set[str] = set()
    first: dict[str, Row] = {}
    for row in rows:
        if row.id in ids:
            raise DuplicateId(f"{row.id} stands twice")
        ids.add(row.id)
        same = first.setdefault(row.sha256, row)
        if same.split != row.split:
            raise LeakedContent(
                f"{same.id} (split {same.split}) and {row.id} (split {row.split}) are the same picture"
            )


def _rows(path: Path) -> Iterable[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = set(_FIXED) - set(reader.fieldnames or ())
            if missing:
                raise BadManifest(f"{path} has no column {', '.join(sorted(missing))}")
            for line in reader:
                yield _row(path, reader.line_num, line)
    except FileNotFoundError as error:
        raise BadManifest(f"{path} is not there") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadManifest(f"{path} is no CSV in UTF-8: {error}") from error


def _row(path: Path, line: int, cells: Mapping[str | None, str | None]) -> Row:
    found = {name: value for name, value in cells.items() if name is not None and isinstance(value, str)}
    if len(found) != len(cells) or not all(found[name] for name in _FIXED):
        raise BadManifest(f"{path}, line {line}: not as many cells as the header has, or an empty one")
    others = {name: value for name, value in found.items() if name not in _FIXED}
    return Row(**{name: found[name] for name in _FIXED}, columns=MappingProxyType(others))


def _check_file(manifest: Manifest, row: Row) -> None:
    path = manifest.file(row)
    unclear = "\\" in row.path or "\0" in row.path
    if unclear or not path.resolve().is_relative_to(manifest.folder.resolve()):
        raise HostilePath(f"{row.id}: {row.path!r} leads out of {manifest.folder}")
    if not path.is_file():
        raise MissingPicture(f"{row.id}: {path} is not there")
    if digest(path) != row.sha256:
        raise WrongDigest(f"{row.id}: {path} has another SHA-256 than the manifest says")
