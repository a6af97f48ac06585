"""Whether a text names a class: whatever case, hyphens, plurals, accents and order of words are used.

English plurals are known; other languages' endings are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[^\W_]+")
_FILLERS: Final = frozenset(("a", "an", "and", "of", "s", "the"))
_MOST_FORMS: Final = 4_096
_MOST_FILLED: Final = 2  # fillers between the words of a name
_IRREGULAR: Final = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "man": "men",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "tooth": "teeth",
    "woman": "women",
}
_REGULAR: Final = {many: one for one, many in _IRREGULAR.items()}


class Mention(NamedTuple):
    """A name that a text holds, and where."""

    name: str
    begin: int
    end: int


class _Word(NamedTuple):
    text: str
    begin: int
    end: int


class Names:
    """Finds some names in texts; looking for a thousand takes no longer than looking for one.

    Args:
        names: What must not be said.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_words: dict[tuple[str, ...], str] = {}
        self._joined: dict[str, str] = {}
        for name in names:
            words = [each.text for each in _words(name) if each.text not in _FILLERS]
            for form in _forms(words):
                self._by_words.setdefault(tuple(sorted(form)), name)
                self._joined.setdefault("".join(form), name)
        self._lengths = sorted({len(key) for key in self._by_words if key})
        self._longest = max(map(len, self._joined), default=0)

    def mentions(self, text: str) -> list[Mention]:
        """Return what is named, in order of place, the longest of those that begin together."""
        words = list(_words(text))
        found = [mention for first in range(len(words)) for mention in self._from(words, first)]
        kept: list[Mention] = []
        for each in sorted(found, key=lambda one: (one.begin, -one.end)):
            if not kept or each.begin >= kept[-1].end:
                kept.append(each)
        return kept

    def _from(self, words: list[_Word], first: int) -> Iterator[Mention]:
        """Yield the mentions that begin with a word."""
        if words[first].text not in _FILLERS:
            for length in self._lengths:
                window = _window(words, first, length)
                name = self._by_words.get(tuple(sorted(each.text for each in window)))
                if name is not None:
                    yield Mention(name, window[0].begin, window[-1].end)
        joined = ""
        for each in words[first:]:
            joined += each.text
            if len(joined) > self._longest:
                return
            if joined in self._joined:
                yield Mention(self._joined[joined], words[first].begin, each.end)


def _window(words: list[_Word], first: int, length: int) -> list[_Word]:
    """Return so many words from one on; a few words that say nothing may stand between them."""
    some = words[first : first + length + _MOST_FILLED]
    return [each for each in some if each.text not in _FILLERS][:length]


def _words(text: str) -> Iterator[_Word]:
    for found in _WORD.finditer(text):
        yield _Word(_plain(found.group()), found.start(), found.end())


def _plain(word: str) -> str:
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(each for each in apart if not unicodedata.combining(each))


def _forms(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a name with each of its words in one and many."""
    if not words:
        return
    ways = [sorted({each, _many(each), _one(each)}) for each in words]
    size = 1
    for way in ways:
        size *= len(way)
    yield from product(*ways) if size <= _MOST_FORMS else (tuple(words),)


def _many(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    if re.search(r"[aeiourl]fe?$", word) and not word.endswith("ff"):
        return f"{word.removesuffix('e')[:-1]}ves"
    return f"{word}s"


def _one(word: str) -> str:
    if word in _REGULAR:
        return _REGULAR[word]
    for ending, instead in (
        ("ies", "y"),
        ("ves", "f"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("sses", "ss"),
        ("xes", "x"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    plural = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural and len(word) > len("gas") else word


def forbidden(names: Mapping[str, tuple[str, ...]], leaks: str) -> Mapping[str, Names]:
    """Return for each label what must not be said about it.

    Args:
        names: All that each label is called.
        leaks: `all`: no class's name; `own`: not its own.
    """
    if leaks == "own":
        return {label: Names(called) for label, called in names.items()}
    every = Names(each for called in names.values() for each in called)
    return defaultdict(lambda: every, dict.fromkeys(names, every))


def repaired(text: str, names: Names, instead: str) -> str:
    """Return the text with something else in place of every name, articles before it included."""
    for mention in reversed(names.mentions(text)):
        before = re.sub(r"\b(an?|the|this|each|every)\s+$", "", text[: mention.begin], flags=re.IGNORECASE)
        words = "they" if _is_many(mention, text) else instead
        if not before.strip() or before.rstrip()[-1:] in ".!?":
            words = words[:1].upper() + words[1:]
        text = before + words + text[mention.end :]
    return text


def _is_many(mention: Mention, text: str) -> bool:
    """Return whether a name is said in the plural."""
    said = [each.text for each in _words(text[mention.begin : mention.end])]
    return any(_one(each) != each for each in said) and not {*said} <= {
        each.text for each in _words(mention.name)
    }
