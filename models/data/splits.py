"""What the models that ship were never trained on: 300 emoji names drawn once, and the examples' classes.

A picture is withheld from training if it shows such a class, or a skin tone of one, or if its caption has all
the words of such a class's name: who learned "black cat" has learned something of "cat".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from models.data.manifest import Manifest, Row

TRAIN: Final = "train"
WITHHELD: Final = "withheld"
EVALUATION: Final = "evaluation"
UNSEEN: Final = 300
_SEED: Final = 0
_CLASSES: Final = Path(__file__).parents[2] / "examples" / "emoji" / "classes.csv"


@dataclass(frozen=True)
class Withheld:
    """The classes that are withheld, by code point and by the words of their names."""

    unseen: frozenset[str]
    examples: frozenset[str]
    names: tuple[frozenset[str], ...]

    def shows(self, caption: str) -> bool:
        """Whether a caption has all words of a name that is withheld."""
        said = words(caption)
        return any(name <= said for name in self.names)


def withheld(named: Sequence[tuple[str, str]], *, unseen: int = UNSEEN) -> Withheld:
    """Return what is withheld of these classes.

    Args:
        named: Code points in hexadecimal, joined by hyphens, and name of every base emoji.
        unseen: How many names are drawn.
    """
    ordered = sorted(named, key=lambda one: [int(part, 16) for part in one[0].split("-")])
    drawn = np.random.default_rng(_SEED).choice(len(ordered), min(unseen, len(ordered)), replace=False)
    chosen = frozenset(ordered[place][0] for place in drawn)
    examples = frozenset(example_codepoints())
    names = [words(name) for codepoint, name in ordered if codepoint in chosen | examples]
    return Withheld(chosen, examples, tuple(name for name in names if name))


def withheld_of(emoji: Manifest) -> Withheld:
    """Return what is withheld, from the emoji set that was built already."""
    bases = {row["codepoint"]: row.label for row in emoji.rows if not row["parent"]}
    return withheld(list(bases.items()))


def without_leaks(rows: Sequence[Row]) -> Iterator[Row]:
    """Withhold also what has the very picture of something withheld: some flags are one flag."""
    leaked = {row.sha256 for row in rows if row.split == WITHHELD}
    for row in rows:
        yield replace(row, split=WITHHELD) if row.sha256 in leaked else row


def example_codepoints() -> list[str]:
    """Return the classes that the demonstration shows, which no setting may be chosen on."""
    with _CLASSES.open(encoding="utf-8", newline="") as file:
        return [row["codepoint"] for row in csv.DictReader(file)]


def words(text: str) -> frozenset[str]:
    """Return the words of a text: lower case, letters and digits, a plural's s taken off."""
    return frozenset(_singular(word) for word in re.findall(r"[^\W_]+", text.lower()))


def captions(texts: Iterable[str]) -> str:
    """Return several texts about one picture as one caption."""
    return " ; ".join(text for text in texts if text)


def _singular(word: str) -> str:
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")  # noqa: PLR2004  (gas, bus)
    return word[:-1] if is_plural else word
