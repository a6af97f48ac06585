"""A list that a model wrote becomes a permutation of the candidates, whatever it wrote.

Each name is looked for among the candidates alone: as it is, without case and frame, as the only one that
begins so, as the only one within two letters; else it is dropped. Whom the model did not name follows in
retrieval's order. Nothing is kept from one answer to the next.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final, TypeAlias

from rapidfuzz.distance import Levenshtein

from models.ranking.escaping import LABEL_LENGTH, bounded, unescape
from models.ranking.items import Item, Listing, listings
from models.ranking.templates import quoted

EDITS: Final = 2
"""Letters that may differ in a name of eight or more; one in a name of four or more."""
_LETTERS_AN_EDIT: Final = 4
_LEAST_PREFIX: Final = 3
_LONGEST_ITEM: Final = 10 * LABEL_LENGTH
"""Characters of an item that are looked at: a label of which every character is written by its number."""
_FRAME: Final = " \t\r\n.,;:!?*_`'\"“”\u2018\u2019«»()[]{}"
_REMARK: Final = re.compile(r"\s*[(:;=]|\s+[-–—]\s")  # noqa: RUF001  (dashes are what models write)
_DIGITS: Final = re.compile(r"\d+")

Table: TypeAlias = Mapping[str, Sequence[int]]


class Status(Enum):
    """How an answer was read."""

    OK = "ok"
    REPAIRED = "repaired"
    FALLBACK = "fallback"


class Repair(Enum):
    """What was done to an answer."""

    FOLDED = "folded"
    PREFIX = "prefix"
    EDITED = "edited"
    DROPPED = "dropped"
    DUPLICATE = "duplicate"
    APPENDED = "appended"
    NO_LIST = "no_list"


@dataclass(frozen=True)
class Parsed:
    """What an answer says.

    Attributes:
        order: A permutation of the candidates, best first.
        named: How many of them the model named; the others follow in retrieval's order.
        status: OK if it is exactly the list that was asked for, FALLBACK if it names none of them.
        repairs: What was done, and how often.
    """

    order: tuple[int, ...]
    named: int
    status: Status
    repairs: tuple[tuple[Repair, int], ...] = ()


def parse(answer: str, labels: Sequence[str]) -> Parsed:
    """Return what the answer says of these candidates, which come in retrieval's order.

    The first list that names a candidate counts; if there is none, lines do, and then their parts.
    """
    names = _Names(labels)
    best: tuple[list[int], Counter[Repair]] = ([], Counter())
    for listing in listings(answer):
        found, repairs = _read(listing, names)
        if found:
            best = (found, repairs)
            break
    found, repairs = best
    missing = [i for i in range(len(labels)) if i not in set(found)]
    if not found:
        return Parsed(tuple(missing), 0, Status.FALLBACK)
    if missing:
        repairs[Repair.APPENDED] = len(missing)
    return Parsed(
        (*found, *missing),
        len(found),
        Status.REPAIRED if repairs else Status.OK,
        tuple(sorted(repairs.items(), key=lambda each: each[0].value)),
    )


def _read(listing: Listing, names: _Names) -> tuple[list[int], Counter[Repair]]:
    """Return the candidates that a listing names, each once, and what had to be done."""
    found: dict[int, None] = {}
    repairs: Counter[Repair] = Counter()
    for item in listing.items[: 2 * len(names.folded) + 16]:
        candidate, repair = names.find(item, taken=found)
        if candidate is None:
            repairs[Repair.DROPPED] += 1
        elif candidate in found:
            repairs[Repair.DUPLICATE] += 1
        else:
            found[candidate] = None
            if repair:
                repairs[repair] += 1
    if not listing.is_list:
        repairs[Repair.NO_LIST] += 1
    return list(found), repairs


class _Names:
    """The candidates' names in all the forms in which they are looked for."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._exact = (
            _table((quoted(label), i) for i, label in enumerate(labels)),
            _table((label, i) for i, label in enumerate(labels)),
            _table((bounded(label, LABEL_LENGTH), i) for i, label in enumerate(labels)),
        )
        self.folded = [folded(label[: 2 * LABEL_LENGTH]) for label in labels]
        self._digits = [_DIGITS.findall(name) for name in self.folded]
        self._folded = _table((name, i) for i, name in enumerate(self.folded))

    def find(self, item: Item, *, taken: Mapping[int, None]) -> tuple[int | None, Repair | None]:
        """Return which candidate is meant, if any, and what it took."""
        written = item.text[:_LONGEST_ITEM]
        forms = (written, _unescaped(written))
        for table, form in product(self._exact, forms):
            same = table.get(form, ()) or table.get(form.strip(), ())
            if same and not item.is_cut:
                return next((i for i in same if i not in taken), same[0]), None
        for form in forms:
            for part in (form, _REMARK.split(form, maxsplit=1)[0]):
                same = self._folded.get(folded(part), ())
                if len(same) == 1:
                    return same[0], Repair.FOLDED
        text = folded(forms[-1])
        beginning = self._beginning(text, is_cut=item.is_cut)
        if beginning is not None:
            return beginning, Repair.PREFIX
        near = self._near(text)
        return near, None if near is None else Repair.EDITED

    def _beginning(self, text: str, *, is_cut: bool) -> int | None:
        """Return the only candidate that begins so, with whole words unless the answer was cut off."""
        if len(text) < _LEAST_PREFIX:
            return None
        so = [
            i
            for i, name in enumerate(self.folded)
            if name.startswith(text) and (is_cut or not name[len(text) : len(text) + 1].isalnum())
        ]
        return so[0] if len(so) == 1 else None

    def _near(self, text: str) -> int | None:
        """Return the only candidate with the fewest different letters; numbers have to be the same ones."""
        digits = _DIGITS.findall(text)
        distances = {
            i: distance
            for i, name in enumerate(self.folded)
            if self._digits[i] == digits
            and (distance := Levenshtein.distance(text, name, score_cutoff=EDITS))
            <= min(EDITS, len(name) // _LETTERS_AN_EDIT, len(text) // _LETTERS_AN_EDIT)
        }
        least = [i for i, distance in distances.items() if distance == min(distances.values())]
        return least[0] if len(least) == 1 else None


def _table(pairs: Iterable[tuple[str, int]]) -> Table:
    table: defaultdict[str, list[int]] = defaultdict(list)
    for name, i in pairs:
        table[name].append(i)
    return dict(table)


def folded(text: str) -> str:
    """Return a name without case, compatibility forms, double blanks and what stands around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_FRAME)


def _unescaped(text: str) -> str:
    try:
        return unescape(text.replace("\\'", "'"))
    except ValueError:
        return text
