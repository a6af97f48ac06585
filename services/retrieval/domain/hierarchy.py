"""What labels are kinds of, and how many votes the broader ones have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from services.kernel.limits import LIMITS
from services.kernel.rankings import Ancestor

Parents = Mapping[str, str]
"""From a label to the one that it is a kind of; a label without one is a kind of nothing."""
NO_PARENTS: Final[Parents] = MappingProxyType({})


def lineage(label: str, parents: Parents) -> Iterator[str]:
    """Yield what a label is a kind of, the parent first; no more levels than a hierarchy may have."""
    for _ in range(LIMITS.hierarchy_levels):
        label = parents.get(label, "")
        if not label:
            return
        yield label


def ancestors(shares: Sequence[tuple[str, float]], parents: Parents) -> Callable[[str], tuple[Ancestor, ...]]:
    """Return what gives a label its ancestors, each with its own share of the votes and all below it.

    A label has one share, and one path upwards, so no vote counts twice.

    Args:
        shares: All labels that were seen, each once.
        parents: Of labels seen or not.
    """
    if not parents:
        return lambda _: ()
    sums: defaultdict[str, float] = defaultdict(float)
    for label, share in shares:
        for each in (label, *lineage(label, parents)):
            sums[each] += share
    return lambda label: tuple(Ancestor(each, min(1.0, sums[each])) for each in lineage(label, parents))
