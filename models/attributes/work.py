"""What `fovea attributes` does with a sheet's file: each function reads it, does one thing, and writes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from models.attributes import discovery, extraction, packaged, writing
from models.attributes.answers import KeptAnswers
from models.attributes.asking import Answerer
from models.attributes.checking import check
from models.attributes.lines import Problem, SheetError, parse, read, write
from models.attributes.records import (
    ClassRecord,
    DescriptionRecord,
    ImageRecord,
    Record,
    Sheet,
    ValueRecord,
    is_edited,
    split_hash,
)
from models.attributes.writing import Refused

_MOST_BYTES: Final = 20 << 20  # of a picture
_PICTURES: Final = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"))


@dataclass(frozen=True)
class Outcome:
    """What a step did.

    Attributes:
        written: How many records are new or other than before.
        failed: What was not done, each with the reason.
    """

    written: int
    failed: tuple[str, ...] = ()


def begin(path: Path, head: Mapping[str, Any], records: Iterable[Record]) -> Outcome:
    """Make a sheet, or add classes and pictures to one; what is not said of it stays as it is.

    Raises SheetError, OSError; ValueError if a picture is of another class or split already.
    """
    old = read(path) if path.exists() else Sheet(name=_name_of(path))
    said = replace(old, **{name: value for name, value in head.items() if value})
    new = list(records)
    for each in new:
        before = said.records.get(each.key)
        if isinstance(each, ImageRecord) and isinstance(before, ImageRecord) and _other(before, each):
            raise ValueError(
                f"{each.path} is a picture of {before.label!r} in the split {before.split!r} already, "
                f"as {before.path}"
            )
    kept = [each for each in new if not isinstance(said.records.get(each.key), ClassRecord)]
    sheet = said.merged(kept)
    if sheet != old or not path.exists():
        write(path, sheet)
    return Outcome(_changed(old, sheet))


def classes_of(labels: Iterable[str]) -> Iterator[ClassRecord]:
    """Yield a class for each line: a label, and behind tabs what else it is called."""
    for line in labels:
        label, *synonyms = (each.strip() for each in line.split("\t"))
        if label:
            yield ClassRecord(label, tuple(each for each in synonyms if each))


def pictures_of(folder: Path, split: str, sheet: Path) -> Iterator[Record]:
    """Yield a class for each sub-folder, and its pictures. Raises OSError; ValueError for one seen twice."""
    seen: dict[str, Path] = {}
    for each in sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."):
        yield ClassRecord(each.name)
        for picture in sorted(found for found in each.rglob("*") if found.suffix.lower() in _PICTURES):
            digest = hashlib.sha256(_bytes(picture)).hexdigest()
            if digest in seen:
                raise ValueError(f"{picture} and {seen[digest]} are the same picture")
            seen[digest] = picture
            yield ImageRecord(digest, each.name, split, _path_from(sheet, picture))


def discover(path: Path, model: Answerer, *, date: str) -> Outcome:
    """Add the attributes that a model finds useful. Raises SheetError, ModelError, OSError."""
    return _added(path, discovery.discover(read(path), _kept(model, path), date=date))


def extract(path: Path, model: Answerer, *, date: str) -> Outcome:
    """Add what the attributes look like in each picture. Raises SheetError, OSError."""

    def bytes_of(image: ImageRecord) -> bytes:
        data = _bytes(path.parent / image.path)
        if hashlib.sha256(data).hexdigest() != image.image:
            raise ValueError(f"{image.path} is another picture than the sheet says")
        return data

    found = list(extraction.extract(read(path), _kept(model, path), bytes_of, date=date))
    failed = tuple(f"{each[0].path}: {each[1]}" for each in found if isinstance(each, tuple))
    return _added(path, [each for each in found if isinstance(each, ValueRecord)], failed)


def describe(path: Path, model: Answerer | None, *, date: str) -> Outcome:
    """Add descriptions from the values. Raises SheetError, ModelError, OSError."""
    kept = None if model is None else _kept(model, path)
    return _described(path, list(writing.describe(read(path), kept, date=date)))


def describe_from_package(path: Path, *, date: str, folder: Path | None = None) -> Outcome:
    """Add what a package says of the classes. Raises SheetError, MissingPackageError, OSError."""
    sheet = read(path)
    labels = {label: each.synonyms for label, each in sheet.classes().items()}
    found = packaged.describe(
        labels, packaged.load(folder), leaks=sheet.leaks, super_class=sheet.super_class, date=date
    )
    return _described(path, list(found))


def checked(path: Path, *, accept_split: bool = False) -> list[Problem]:
    """Return what is wrong with a sheet; `accept_split` takes its pictures as they are. Raises OSError."""
    parsed = parse(path.read_bytes())
    if accept_split and not parsed.problems:
        split = split_hash(parsed.sheet.of(ImageRecord))
        if split != parsed.sheet.split:
            write(path, replace(parsed.sheet, split=split, version=parsed.sheet.version + 1))
            parsed = parse(path.read_bytes())
    return check(parsed)


def exemplars(path: Path, *, pictures: bool = False) -> Iterator[Mapping[str, Any]]:
    """Yield what the sheet teaches: id, label and text; of pictures too only where asked.

    Ids depend on the sheet's name, the label and the picture, so that what is taught again replaces what was.
    Those of classes come before those of pictures. Raises SheetError: a sheet with problems teaches nothing.
    """
    if problems := checked(path):
        raise SheetError(problems)
    sheet = read(path)
    for each in sheet.of(DescriptionRecord):
        if each.text.strip() and (pictures or not each.image):
            of = hashlib.sha256(each.label.encode()).hexdigest()[:16]
            place = f"1:{each.image[:16]}" if each.image else "0"
            yield {
                "exemplar_id": f"attributes:{sheet.name}:{of}:{place}",
                "label": each.label,
                "text": each.text,
                "source": "people" if is_edited(each) else each.made.source,
            }


def shown(path: Path, *, label: str = "") -> Iterator[Mapping[str, Any]]:
    """Yield descriptions, and of one label its values too. Raises SheetError, OSError."""
    for each in read(path).records.values():
        if isinstance(each, DescriptionRecord) and label in ("", each.label):
            yield _row(each, "", each.text)
        elif isinstance(each, ValueRecord) and label == each.label:
            yield _row(each, each.attribute, ", ".join(each.values))


def _row(record: DescriptionRecord | ValueRecord, attribute: str, text: str) -> Mapping[str, Any]:
    made = record.made
    return {
        "label": record.label,
        "image": record.image[:12],
        "attribute": attribute,
        "text": text,
        "source": made.model or made.source,
        "date": made.date,
        "edited": is_edited(record),
    }


def _described(path: Path, found: list[Any]) -> Outcome:
    failed = tuple(
        f"{each.label}{f' ({each.image[:12]})' if each.image else ''}: {each.reason}"
        for each in found
        if isinstance(each, Refused)
    )
    return _added(path, [each for each in found if not isinstance(each, Refused)], failed)


def _added(path: Path, records: Iterable[Record], failed: tuple[str, ...] = ()) -> Outcome:
    """Write what is new; the file is read again, for people may have edited it meanwhile."""
    old = read(path)
    sheet = old.merged(records)
    if sheet != old:
        write(path, sheet)
    return Outcome(_changed(old, sheet), failed)


def _changed(old: Sheet, new: Sheet) -> int:
    return sum(old.records.get(key) != each for key, each in new.records.items())


def _kept(model: Answerer, path: Path) -> KeptAnswers:
    return KeptAnswers(model, path.with_name(f"{path.name}.answers"))


def _other(before: ImageRecord, now: ImageRecord) -> bool:
    return (before.label, before.split) != (now.label, now.split)


def _name_of(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:48] or "sheet"


def _path_from(sheet: Path, picture: Path) -> str:
    home, there = sheet.resolve().parent, picture.resolve()
    return str(there.relative_to(home)) if there.is_relative_to(home) else str(there)


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path} has more than {_MOST_BYTES} bytes")
    return path.read_bytes()
