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

    A segment joins the smaller ones as soon as they are together as large as it is. So there are never
    many, each at least as large as all smaller ones together, and an exemplar is written anew only when
    the segment that it lies in doubles: log2 of the collection's size times.
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
        if living <= together and not _is_few(together + living, count + 1, parameters):
            taken = count + 1
        together += living
    return order[:taken]


def _is_few(living: int, segments: int, parameters: MergeParameters) -> bool:
    return living < parameters.few_rows and segments < parameters.few_segments
