"""Tables and numbers as Markdown, and a template that is filled without a gap."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from models.evaluation.metrics import Mean, Share

_DASH: Final = "\N{EN DASH}"


class BadTemplate(ValueError):
    """A template names something that is not there, or something that is there is not in it."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first column to the left, all others to the right."""
    lines = [header, ["---", *(["---:"] * (len(header) - 1))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def percent(value: float) -> str:
    """Return a share in per cent, a dash for what is no number."""
    return _DASH if math.isnan(value) else f"{100 * value:.1f}"


def ranged(share: Share) -> str:
    """Return a share in per cent with its interval."""
    low, high = share.interval
    return f"{percent(share.value)} ({100 * low:.0f}{_DASH}{100 * high:.0f})"


def spread(mean: Mean) -> str:
    """Return a mean over seeds in per cent with half of its interval."""
    return f"{percent(mean.value)} ± {100 * mean.half:.1f}"


def together(shares: Iterable[Share]) -> Share:
    """Return several counts as one."""
    listed = list(shares)
    return Share(sum(each.hits for each in listed), sum(each.count for each in listed))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values where the template says `{{name}}`.

    Raises:
        BadTemplate: If a name has no value, or a value no place.
    """
    names = set(re.findall(r"\{\{([^{}]*)\}\}", template))
    if names != set(values):
        wrong = ", ".join(sorted(names ^ set(values)))
        raise BadTemplate(f"only in the template or only among the values: {wrong}")
    return re.sub(r"\{\{([^{}]*)\}\}", lambda found: values[found[1]], template)
