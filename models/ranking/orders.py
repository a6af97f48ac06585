"""In which orders candidates are shown, so that no place in the list favours any of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice
from typing import Final, TypeAlias

Order: TypeAlias = tuple[int, ...]
"""Which candidate stands at each place."""
MOST_ORDERS: Final = 1_000


def orders(labels: Sequence[str], *, count: int, seed: int) -> tuple[Order, ...]:
    """Return so many orders; in each round of k, every candidate stands once at every place.

    They come from digests of the seed and the labels, not of the order in which retrieval gave those: what a
    model reads does not depend on what retrieval thinks best. Neighbours change from order to order as well.

    Raises:
        ValueError: There is no candidate, or `count` is not from 1 to 1,000.
    """
    if not labels:
        raise ValueError("there are no candidates to put in order")
    if not 1 <= count <= MOST_ORDERS:
        raise ValueError(f"{count} orders; there may be 1 to {MOST_ORDERS}")
    key = _key(labels, seed)
    found: list[Order] = []
    while len(found) < count:
        square = _square(labels, f"{key}/{len(found)}")
        found += islice(square, count - len(found))
    return tuple(found)


def _square(labels: Sequence[str], key: str) -> tuple[Order, ...]:
    """Return k orders as the rows of a Latin square: the powers of one cycle, behind one shuffle."""
    start = _shuffled(labels, f"{key}/start")
    circle = _shuffled(labels, f"{key}/circle")
    after = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    rows = [start]
    for _ in range(len(labels) - 1):
        rows.append(tuple(after[candidate] for candidate in rows[-1]))
    return tuple(rows)


def _shuffled(labels: Sequence[str], key: str) -> Order:
    digests = [hashlib.sha256(f"{key}/{label!r}".encode()).digest() for label in labels]
    return tuple(sorted(range(len(labels)), key=lambda i: (digests[i], i)))


def _key(labels: Sequence[str], seed: int) -> str:
    """Return what orders hang on: the seed and all labels, since one label alone would lean to a place."""
    return hashlib.sha256(f"{seed}/{sorted(labels)!r}".encode()).hexdigest()
