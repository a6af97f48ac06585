"""Descriptions for the evaluation's own sets, from the sources that there are; nothing is made up.

The package describes those labels that ImageNet has too. Emoji have keywords, by people: of these the ones
that say nothing of the name. Keywords tell what a thing has to do with, and seldom how it looks; those of
pictures that encoders were trained with were read in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from models.attributes import packaged
from models.attributes.leaks import Names
from models.attributes.records import DescriptionRecord
from models.data.manifest import Row

_MOST_KEYWORDS: Final = 8
_STEM: Final = 4  # letters that two words of one stem share
_SYLLABLE: Final = 3


def from_package(
    labels: Iterable[str], known: Iterable[packaged.Packaged] | None = None
) -> Mapping[str, str]:
    """Return what the package says of those labels that it knows, without their own names.

    Raises MissingPackageError.
    """
    found = packaged.describe(
        dict.fromkeys(sorted(labels), ()),
        packaged.load() if known is None else known,
        leaks="own",
        super_class="",
        date="",
    )
    return {each.label: each.text for each in found if isinstance(each, DescriptionRecord)}


def from_keywords(rows: Iterable[Row]) -> Mapping[str, str]:
    """Return, of each label whose rows have keywords, those that share no word and no stem with its names."""
    keywords: dict[str, dict[str, None]] = {}
    names: dict[str, dict[str, None]] = {}
    for row in rows:
        keywords.setdefault(row.label, {}).update(dict.fromkeys(filter(None, row["keywords"].split("|"))))
        names.setdefault(row.label, {}).update(dict.fromkeys(filter(None, (row.label, row["annotation"]))))
    told = {label: _unnamed(list(some), list(names[label])) for label, some in keywords.items()}
    return {label: ", ".join(some[:_MOST_KEYWORDS]) for label, some in told.items() if some}


def _unnamed(keywords: Sequence[str], names: Sequence[str]) -> list[str]:
    words = sorted({word for name in names for word in _words(name)})
    said = Names(words)
    return [
        each
        for each in keywords
        if not said.mentions(each)
        and not any(_related(word, other) for word in words for other in _words(each))
    ]


def _words(text: str) -> list[str]:
    return "".join(each if each.isalnum() else " " for each in text.casefold()).split()


def _related(one: str, other: str) -> bool:
    """Return whether one word begins as the other does, or holds it."""
    short, long = sorted((one, other), key=len)
    if len(short) < _STEM:
        return (long.startswith(short) and len(short) >= _SYLLABLE) or short == long
    return short in long or one[:_STEM] == other[:_STEM]
