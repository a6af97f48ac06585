"""The records of a sheet: what is known of the looks of a collection's classes, and who says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

SCHEMA: Final = 1
PEOPLE: Final = "people"
LEAKS: Final = ("all", "own")
"""Which names must not stand in a description: those of all classes, or of its own class alone."""
_KINDS: Final = ("class", "image", "attribute", "value", "description")
"""First parts of keys, in the order in which records stand in a sheet."""


@dataclass(frozen=True)
class Made:
    """Who wrote a record, and when.

    Attributes:
        source: `people`, a package with its version, or the way a model was asked.
        model: `name@digest`; empty where no model was asked.
        prompt: Digest of what the model was asked.
        date: YYYY-MM-DD.
        digest: Of what was written. Where it is no longer the content's, people have edited it.
    """

    source: str = PEOPLE
    model: str = ""
    prompt: str = ""
    date: str = ""
    digest: str = ""


@dataclass(frozen=True)
class ClassRecord:
    """A class, and what else it is called."""

    label: str
    synonyms: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """What there is one of."""
        return ("class", self.label)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called."""
        return (self.label, *self.synonyms)


@dataclass(frozen=True)
class ImageRecord:
    """A picture by its SHA-256, in hexadecimal, what it shows, and which split it belongs to."""

    image: str
    label: str
    split: str
    path: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What there is one of."""
        return ("image", self.image)


@dataclass(frozen=True)
class AttributeRecord:
    """Something worth looking at; with `values`, it has one of these."""

    name: str
    values: tuple[str, ...] = ()
    made: Made = field(default_factory=Made)
    edited: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What there is one of."""
        return ("attribute", self.name)

    @property
    def content(self) -> tuple[str, ...]:
        """What may be edited."""
        return self.values


@dataclass(frozen=True)
class ValueRecord:
    """What an attribute looks like on a picture; without an image, on the class as such."""

    label: str
    attribute: str
    values: tuple[str, ...]
    image: str = ""
    made: Made = field(default_factory=Made)
    edited: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What there is one of."""
        return ("value", self.label, self.image, self.attribute)

    @property
    def content(self) -> tuple[str, ...]:
        """What may be edited."""
        return self.values


@dataclass(frozen=True)
class DescriptionRecord:
    """How a class, or one picture of it, looks, in a sentence or some; its name is not in it."""

    label: str
    text: str
    image: str = ""
    made: Made = field(default_factory=Made)
    edited: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What there is one of."""
        return ("description", self.label, self.image)

    @property
    def content(self) -> tuple[str, ...]:
        """What may be edited."""
        return (self.text,)


Editable = AttributeRecord | ValueRecord | DescriptionRecord
Record = ClassRecord | ImageRecord | Editable
E = TypeVar("E", AttributeRecord, ValueRecord, DescriptionRecord)
R = TypeVar("R", ClassRecord, ImageRecord, AttributeRecord, ValueRecord, DescriptionRecord)


def digest_of(content: Iterable[str]) -> str:
    """Return the digest of what a record says."""
    return hashlib.sha256(json.dumps(list(content)).encode()).hexdigest()[:16]


def made_by(record: E, made: Made) -> E:
    """Return a record as its maker leaves it: whatever changes from now on, people have edited."""
    return replace(record, made=replace(made, digest=digest_of(record.content)), edited=False)


def is_edited(record: Editable) -> bool:
    """Return whether people wrote it, said that they edited it, or did so without a word."""
    return record.edited or record.made.source == PEOPLE or record.made.digest != digest_of(record.content)


@dataclass(frozen=True)
class Sheet:
    """All that is known of one collection's classes.

    Attributes:
        name: Of the sheet: letters, digits, `.`, `_`, `-`; ids of what it teaches begin with it.
        domain: What the classes are, as a question would say it: `bird species`.
        super_class: What each of them is, in one word or two: `bird`.
        version: Rises by one with every change that this package writes.
        split: `split_hash` of the pictures, when they were last written here.
        leaks: Which names must not stand in descriptions, one of `LEAKS`.
        records: By key, in order.
    """

    name: str = ""
    domain: str = ""
    super_class: str = ""
    version: int = 0
    split: str = ""
    leaks: str = "all"
    records: Mapping[tuple[str, ...], Record] = field(default_factory=dict)

    def of(self, kind: type[R]) -> list[R]:
        """Return the records of one kind, in order."""
        return [each for each in self.records.values() if isinstance(each, kind)]

    def classes(self) -> Mapping[str, ClassRecord]:
        """Return the classes by label."""
        return {each.label: each for each in self.of(ClassRecord)}

    def synonyms(self) -> Mapping[str, tuple[str, ...]]:
        """Return what else the classes are called, as `models.ranking.open_set` takes it."""
        return {label: each.synonyms for label, each in self.classes().items()}

    def images(self) -> Mapping[str, ImageRecord]:
        """Return the pictures by digest."""
        return {each.image: each for each in self.of(ImageRecord)}

    def merged(self, new: Iterable[Record]) -> Sheet:
        """Return the sheet with new records, of the next version if they say anything new.

        What people wrote or edited stays as it is.
        """
        records = dict(self.records)
        for each in new:
            old = records.get(each.key)
            if isinstance(old, Editable) and (is_edited(old) or old.content == _content(each)):
                continue
            if old != each:
                records[each.key] = each
        if records == dict(self.records):
            return self
        ordered = {key: records[key] for key in sorted(records, key=_order)}
        images = [each for each in ordered.values() if isinstance(each, ImageRecord)]
        return replace(self, version=self.version + 1, split=split_hash(images), records=ordered)


def _order(key: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return _KINDS.index(key[0]), key[1:]


def _content(record: Record) -> tuple[str, ...] | None:
    return record.content if isinstance(record, Editable) else None


def split_hash(images: Iterable[ImageRecord]) -> str:
    """Return the digest of which picture shows what and belongs to which split; empty without pictures."""
    lines = sorted(f"{each.image} {each.split} {each.label}" for each in images)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
