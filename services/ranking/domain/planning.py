"""How much of a model's work fits into the time that is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final, NamedTuple

from services.ranking.domain.asking import Effort, Mode, Terms
from services.ranking.domain.ladder import LESS_EFFORT, Rung

LEAST_LABELS: Final = 2
"""Fewer cannot be ordered."""
CAUTION: Final = 1.25
"""What was measured is exceeded now and then; work that is given up half way is worth nothing."""


class Pace(NamedTuple):
    """What asking takes: seconds a call, and seconds a token."""

    call_s: float
    token_s: float

    def seconds(self, tokens: int) -> float:
        """Return what a call with so many tokens is expected to take."""
        return CAUTION * (self.call_s + tokens * self.token_s)

    def after(self, tokens: int, seconds: float, *, weight: float = 0.25) -> Pace:
        """Return the pace with one more measurement in it; what a call takes is a part of it, as before."""
        expected = self.call_s + tokens * self.token_s
        if tokens <= 0 or expected <= 0 or seconds <= 0:
            return self
        scale = (1 - weight) + weight * seconds / expected
        return Pace(self.call_s * scale, self.token_s * scale)


@dataclass(frozen=True)
class Plan:
    """What the ranker is asked.

    Attributes:
        labels: Candidates of each region, at most.
        effort: How hard it tries.
        regions: How many regions, those least sure first.
        rung: What was left out for want of time.
    """

    labels: int
    effort: Effort
    regions: int
    rung: Rung | None = None


def tokens_of(terms: Terms, labels: Sequence[str], descriptions: Sequence[str]) -> tuple[int, ...]:
    """Return, for 1, 2, ... candidates, about how many tokens a prompt with them has."""
    each = (
        terms.label_tokens + (len(label) + len(description)) / terms.characters_per_token
        for label, description in zip(labels, descriptions, strict=True)
    )
    return tuple(round(terms.prompt_tokens + tokens) for tokens in accumulate(each))


def plan(left_s: float | None, regions: Sequence[Sequence[int]], wanted: Plan, pace: Pace) -> Plan | None:
    """Return the most that fits: first fewer orders, then fewer candidates, then fewer regions.

    Args:
        left_s: Seconds that all regions have together; None: as many as it takes.
        regions: Of each, the tokens of a prompt with 1, 2, ... candidates, those least sure first.
        wanted: What would be asked if time were no matter.
        pace: What asking takes.

    Returns:
        None if there is no time for two candidates of one region.
    """
    if left_s is None:
        return wanted
    for smaller in _smaller(wanted):
        if pace.seconds(tokens_asked(regions[: smaller.regions], smaller)) <= left_s:
            return smaller if smaller == wanted else replace(smaller, rung=LESS_EFFORT)
    return None


def _smaller(wanted: Plan) -> Iterator[Plan]:
    """Yield what is wanted, and less and less of it."""
    yield wanted
    orders = wanted.effort.orders
    while orders > 1:
        orders //= 2
        yield replace(wanted, effort=replace(wanted.effort, orders=orders))
    once = replace(wanted, effort=replace(wanted.effort, orders=1))
    if once.effort.mode is Mode.BOTH:
        once = replace(once, effort=replace(once.effort, mode=Mode.LETTERS))
        yield once
    for labels in range(wanted.labels - 1, LEAST_LABELS - 1, -1):
        once = replace(once, labels=labels)
        yield once
    for regions in range(wanted.regions - 1, 0, -1):
        yield replace(once, regions=regions)


def tokens_asked(regions: Sequence[Sequence[int]], asked: Plan) -> int:
    """Return the tokens of all prompts; names are read once, whatever the orders."""
    passes = asked.effort.orders + (asked.effort.mode is Mode.BOTH)
    if asked.effort.mode in {Mode.NAMES, Mode.PICTURES}:
        passes = 1
    return passes * sum(region[min(asked.labels, len(region)) - 1] for region in regions)
