"""What the demonstration asks: which classes are taught, which are held out, and the queries."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

EMOJI = Path(__file__).parents[1] / "emoji"
VENDORS = {"noto": "Noto Emoji", "twemoji": "Twemoji", "fluent": "Fluent Emoji 3D"}
"""Who drew the pictures, by folder."""
CREDIT = (
    "Twemoji: © Twitter, Inc and other contributors, CC BY 4.0.",
    "Noto Emoji: © Google LLC, Apache-2.0. Fluent Emoji 3D: © Microsoft Corporation, © 2023 LobeHub, MIT.",
    "Names and groups: Unicode, by way of emoji-datasource, © 2013 Cal Henderson, MIT.",
)


@dataclass(frozen=True)
class Picture:
    """One artist's picture of one class."""

    label: str
    group: str
    vendor: str
    path: Path


@dataclass(frozen=True)
class Task:
    """The classes that are taught, those that are held out to be unknown, and all pictures.

    Attributes:
        taught: Pictures of the classes that are taught, in order of class and vendor.
        held_out: Pictures of the classes that are not.
        teacher: The vendor whose pictures are taught; the others' are asked.
        seed: Of every choice that was drawn.
    """

    taught: tuple[Picture, ...]
    held_out: tuple[Picture, ...]
    teacher: str
    seed: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that are taught."""
        return tuple(dict.fromkeys(picture.label for picture in self.taught))

    @property
    def unknown_labels(self) -> tuple[str, ...]:
        """The classes that are held out."""
        return tuple(dict.fromkeys(picture.label for picture in self.held_out))

    @property
    def vendors(self) -> tuple[str, ...]:
        """The teacher first."""
        names = sorted({picture.vendor for picture in self.taught} - {self.teacher})
        return (self.teacher, *names)

    @property
    def lessons(self) -> tuple[Picture, ...]:
        """The teacher's picture of each class that is taught."""
        return tuple(picture for picture in self.taught if picture.vendor == self.teacher)


def load(folder: Path = EMOJI) -> tuple[Picture, ...]:
    """Return every vendor's picture of every class that `classes.csv` lists."""
    with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Picture(row["label"], _group(row["subgroup"]), vendor, path)
        for vendor in VENDORS
        for row in rows
        for path in (folder / vendor).glob(f"{row['codepoint']}.*")
    )


def _group(subgroup: str) -> str:
    """Return the kind of thing: `animal` for `animal-bird`."""
    kind = subgroup.split("-", maxsplit=1)[0]
    return "instrument" if kind == "musical" else kind


def divide(pictures: Sequence[Picture], *, teacher: str, held_out: float, seed: int) -> Task:
    """Hold out a share of the classes, drawn by seed and not by result."""
    labels = sorted({picture.label for picture in pictures})
    unknown = set(random.Random(seed).sample(labels, round(held_out * len(labels))))  # noqa: S311  (no secret)
    ordered = sorted(pictures, key=lambda picture: (picture.label, picture.vendor))
    return Task(
        taught=tuple(picture for picture in ordered if picture.label not in unknown),
        held_out=tuple(picture for picture in ordered if picture.label in unknown),
        teacher=teacher,
        seed=seed,
    )


def at_most(pictures: Iterable[Picture], count: int, *, seed: int) -> tuple[Picture, ...]:
    """Return at most so many pictures of each vendor, drawn by seed, in the order given."""
    vendors: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        vendors[picture.vendor].append(picture)
    drawn = random.Random(seed)  # noqa: S311  (no secret)
    kept = [_draw(drawn, found, count) for _, found in sorted(vendors.items())]
    return tuple(picture for found in kept for picture in found)


def _draw(drawn: random.Random, found: list[Picture], count: int) -> list[Picture]:
    if len(found) <= count:
        return found
    return [found[i] for i in sorted(drawn.sample(range(len(found)), count))]
