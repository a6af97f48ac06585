"""Which segments of a collection should be written anew as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.retrieval.adapters.memory.parameters import MergeParameters


class Size(NamedTuple):
    """Of one segment: slots, and how many of them are dead."""

    rows: int
    dead: int

    @property
    def living(self) -> int:
        """How many are not dead."""
        return self.rows - self.dead


def to_merge(sizes: Sequence[Size], parameters: MergeParameters) -> list[int]:
    """Return the places of the segments to merge, none if all is well.

    A segment joins the smaller ones as soon as it is at most `ratio` times as large as they together. So
    there are never many: as many as the collection's size has digits, in base ratio + 1.
    """
    wasteful = [place for place, size in enumerate(sizes) if size.dead > parameters.dead_share * size.rows]
    if wasteful:
        return [max(wasteful, key=lambda place: sizes[place].dead)]
    order = sorted(range(len(sizes)), key=lambda place: sizes[place].living)
    together, taken = 0, 0
    for count, place in enumerate(order):
        living = sizes[place].living
        if together + living > parameters.most_rows:
            break
        if living <= parameters.ratio * together and not _is_few(together + living, count + 1, parameters):
            taken = count + 1
        together += living
    return order[:taken]


def _is_few(living: int, segments: int, parameters: MergeParameters) -> bool:
    return living < parameters.few_rows and segments < parameters.few_segments
