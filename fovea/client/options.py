"""What one may ask of a recognition."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fovea.client.shapes import Shape

AttributeValue = str | float | bool
"""The value of one attribute of an exemplar."""

ImageSource = str | os.PathLike[str] | bytes
"""A picture: the path of a file, or its encoded bytes (JPEG, PNG, WebP, GIF or BMP)."""


@dataclass(frozen=True)
class Between:
    """A range of numbers; both ends belong to it, and None leaves an end open."""

    least: float | None = None
    most: float | None = None


Where = Mapping[str, AttributeValue | Sequence[AttributeValue] | Between]
"""Conditions on attributes, which must all hold: a value, several of which one must match, or a range."""


@dataclass(frozen=True)
class Prompt:
    """What to look for in a picture.

    >>> Prompt("traffic light")
    >>> Prompt("the cracked insulator on the left", "phrase")

    Attributes:
        text: A class name; a noun phrase, which may tell things of one name apart; a sentence; or the id of
            an exemplar that has a picture. Commas and quotes are text like any other.
        kind: Which of them it is. Names cost least: one look at a picture answers all of them.
    """

    text: str
    kind: Literal["name", "phrase", "sentence", "exemplar"] = "name"


@dataclass(frozen=True)
class Find:
    """How to look for prompts; what is left out is the detector's to say.

    Attributes:
        threshold: Least score of what counts as found; None: one for each kind of prompt, set when the
            detector was trained.
        overlap: Intersection over union above which, of regions that different prompts found, only the best
            stays; None: all stay.
        tiles: Whether to look at the parts of a picture as well, for what is small in it, which takes longer;
            None: where the picture is large.
        mask_format: What regions come back with: `rle`, a `mask` of run lengths that is right to the pixel,
            or `polygons` of a bounded number of points.
    """

    threshold: float | None = None
    overlap: float | None = None
    tiles: bool | None = None
    mask_format: Literal["rle", "polygons"] = "rle"


@dataclass(frozen=True)
class SpaceVote:
    """How one space votes: a neighbour has weight * exp((similarity - reference) / temperature) votes."""

    space: str
    weight: float
    temperature: float
    reference: float


@dataclass(frozen=True)
class Options:
    """What one may ask of a recognition; what is left out takes the collection's value, then the shipped one.

    >>> Options(size=3, where={"continent": ["Africa", "Asia"], "length_cm": Between(10, 20)})

    Attributes:
        size: Most labels per region.
        where: Only exemplars that meet all conditions may vote.
        prompts: What to look for; not together with regions.
        find: How to look for the prompts.
        exclude: Ids of exemplars that may not vote.
        votes: Replaces the votes of the spaces it names.
        trust_threshold: Margin of retrieval from which no model is asked.
        unknown_threshold: Probability of *unknown* above which the answer is `unknown`.
        level_threshold: Probability that a label needs to be answered; below it, what it is a kind of is.
        neighbours_per_label: How many exemplars may vote for one label, the strongest; None: all. With 1 a
            label counts as much as its best exemplar.
        min_memory_version: The memory must be at least this new. A client asks for what it taught itself
            anyway; this is for what others taught.
    """

    size: int | None = None
    where: Where = field(default_factory=dict)
    prompts: Sequence[Prompt] = ()
    exclude: Sequence[str] = ()
    votes: Sequence[SpaceVote] = ()
    trust_threshold: float | None = None
    unknown_threshold: float | None = None
    level_threshold: float | None = None
    neighbours_per_label: int | None = None
    min_memory_version: str = ""
    find: Find = Find()


@dataclass(frozen=True)
class Picture:
    """One picture of many, with regions, prompts or an id of its own.

    Attributes:
        image: The path of a file, or encoded bytes.
        regions: Boxes, polygons or masks to recognise; none: the whole picture.
        recognition_id: The same id gives the same record; empty: the client chooses one.
        prompts: What to look for in this one; none: what is looked for in all of them.
    """

    image: ImageSource
    regions: Sequence[Shape] = ()
    recognition_id: str = ""
    prompts: Sequence[Prompt] = ()
