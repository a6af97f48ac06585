"""What a model wrote, taken apart into the names it may mean: lists come in more forms than asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 20_000
"""Characters of an answer that are read; the longest list that is asked for is shorter."""
_QUOTES: Final = {'"': '"', "'": "'", "“": "”", "\u2018": "\u2019", "«": "»", "`": "`"}
_ENDS: Final = re.compile(r"\s*(?:[\],:}]|$)")
"""What follows a quote that ends an item; any other quote belongs to the name."""
_BULLET: Final = re.compile(r"^\s*(?:[-*•+>]+\s|[(#]?\d{1,3}[.):\]]|[(]?[A-Z][.)]\s)\s*")
_BETWEEN: Final = re.compile(r"\s*(?:,|;|>|→|\band\b)\s*")
_THOUGHT: Final = "</think>"


@dataclass(frozen=True)
class Item:
    """One name as it was written.

    Attributes:
        text: Without its quotes and bullets.
        is_cut: Whether the answer ended in the middle of it.
    """

    text: str
    is_cut: bool = False


@dataclass(frozen=True)
class Listing:
    """Names that stand together in an answer.

    Attributes:
        items: In their order.
        is_list: Whether they stand in brackets that were closed.
    """

    items: tuple[Item, ...]
    is_list: bool


def listings(answer: str) -> Iterator[Listing]:
    """Yield each bracketed list of the answer, then its lines, then the parts of those."""
    text = answer[:LONGEST].rpartition(_THOUGHT)[2]
    start = text.find("[")
    while start >= 0:
        listing, end = _bracketed(text, start + 1)
        yield listing
        start = text.find("[", max(end, start + 1))
    lines = [_bare(" ".join(line.split())) for line in text.splitlines()]
    yield Listing(tuple(Item(line) for line in lines if line), is_list=False)
    parts = [_bare(part) for line in lines for part in _BETWEEN.split(line.strip("[]{} "))]
    yield Listing(tuple(Item(part) for part in parts if part), is_list=False)


def _bracketed(text: str, at: int) -> tuple[Listing, int]:
    """Return the items from behind a bracket up to where it closes, and that place."""
    items: list[Item] = []
    depth = 1
    while at < len(text):
        mark = text[at]
        if mark == "]":
            depth -= 1
            if depth == 0:
                return Listing(tuple(items), is_list=True), at + 1
        if mark in "[]{}:," or mark.isspace():
            depth += mark == "["
            at += 1
            continue
        is_quoted = mark in _QUOTES
        item, at = _quoted(text, at) if is_quoted else _unquoted(text, at)
        is_key = is_quoted and text[at : at + 1] == ":"
        if not is_key and (item.text or (is_quoted and not item.is_cut)):
            items.append(item)
    return Listing(tuple(items), is_list=False), at


def _quoted(text: str, start: int) -> tuple[Item, int]:
    """Return the item between the quote at `start` and the one that ends it, and the place behind."""
    quote = _QUOTES[text[start]]
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == quote and _ENDS.match(text, at + 1):
            return Item(text[start + 1 : at]), at + 1
        else:
            at += 1
    return Item(text[start + 1 :], is_cut=True), len(text)


def _unquoted(text: str, start: int) -> tuple[Item, int]:
    """Return the item up to the next comma or closing bracket that is not its own."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "[(":
            depth += 1
        elif text[at] in "])" and depth:
            depth -= 1
        elif text[at] in ",]}\n" and not (depth and text[at] == ","):
            return Item(_bare(text[start:at])), at
    return Item(_bare(text[start:]), is_cut=True), len(text)


def _bare(line: str) -> str:
    """Return a line without bullet, emphasis and quotes around it."""
    text = _BULLET.sub("", line).strip().strip("*_").strip()
    if len(text) > 1 and text[0] in _QUOTES and text.rstrip(",;.").endswith(_QUOTES[text[0]]):
        return text.rstrip(",;.")[1:-1]
    return text
