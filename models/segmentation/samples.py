"""What a detector learns from and is judged by: a picture, what it is asked for, and all that is there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, UInt8

from models.vision.boxes import Box


class PromptKind(StrEnum):
    """How a detector is asked; each kind has thresholds of its own."""

    NAME = "name"
    """The name of a class: the picture is read without it."""
    PHRASE = "phrase"
    """A few words that tell a thing from others of its name: "the red star on the left"."""
    SENTENCE = "sentence"
    """The same in a whole sentence."""
    EXEMPLAR = "exemplar"
    """A picture of such a thing; the text is its id."""


@dataclass(frozen=True)
class Prompt:
    """One thing that is asked for.

    Attributes:
        kind: How it is said.
        text: What is said.
    """

    kind: PromptKind
    text: str


@dataclass(frozen=True, eq=False)
class Thing:
    """An object, or one connected part of stuff such as grass.

    Attributes:
        box: The smallest around its mask, in pixels of the picture.
        mask: Which pixels of the box show it; never none.
        answers: Indices of the sample's prompts that are true of it.
        stuff: Whether it is stuff.
        label: What it is: code point, name of a texture or of a category; a cut-out's id where its class
            is not known.
        cutout: Id of the cut-out that was laid there; None: stuff, or a picture that nobody composed.
    """

    box: Box
    mask: Bool[np.ndarray, "rows columns"]
    answers: frozenset[int]
    stuff: bool
    label: str
    cutout: str | None = None

    def in_image(self, width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
        """Return the mask in the size of the picture."""
        whole = np.zeros((height_px, width_px), dtype=np.bool_)
        whole[self.box.rows, self.box.columns] = self.mask
        return whole


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture, its prompts and its truth.

    Attributes:
        image: RGB.
        prompts: What is asked; a prompt that no thing answers is absent.
        things: Everything that is there; masks hold visible pixels only and do not overlap.
        data_set: Which set it is from: sets differ in what they know, and in their bank of negatives.
        weak: Only the words can be trusted: neither boxes nor masks are learned from.
        verified: Indices of the prompts that are known to be present or absent; None: all.
        crowds: Where things of these prompts stand that nobody told apart: neither learned from nor judged.
    """

    image: UInt8[np.ndarray, "h w 3"]
    prompts: tuple[Prompt, ...]
    things: tuple[Thing, ...]
    data_set: str
    weak: bool = False
    verified: frozenset[int] | None = None
    crowds: tuple[Thing, ...] = ()

    def absent(self) -> frozenset[int]:
        """Return which prompts nothing answers."""
        answered = frozenset[int]().union(*(each.answers for each in (*self.things, *self.crowds)))
        return frozenset(range(len(self.prompts))) - answered
