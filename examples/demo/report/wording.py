"""Numbers as console and report write them."""

from __future__ import annotations

import math

from examples.demo.metrics import Share

NONE = "\N{EN DASH}"
THIN = "\N{NARROW NO-BREAK SPACE}"
_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def percent(value: float, digits: int = 0) -> str:
    """Return `41 %`, or a dash for no number."""
    return NONE if math.isnan(value) else f"{100 * value:.{digits}f}{THIN}%"


def interval(found: Share) -> str:
    """Return the 95 % interval: `36` and `46 %` with a dash between."""
    low, high = found.interval
    return f"{100 * low:.0f}\N{EN DASH}{percent(high)}"


def duration(seconds: float) -> str:
    """Return `320 µs`, `14.3 ms` or `2.10 s`: three digits, or a dash for no number."""
    if math.isnan(seconds):
        return NONE
    unit, size = next((pair for pair in _UNITS if seconds >= pair[1]), _UNITS[-1])
    value = seconds / size
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(digits, 2)}f}{THIN}{unit}"


def decimal(value: float, digits: int = 2) -> str:
    """Return `0.41`, or a dash for no number."""
    return NONE if math.isnan(value) else f"{value:.{digits}f}"


def rate(count: int, seconds: float) -> str:
    """Return how many that are a second, or a dash where there were none."""
    return f"{count / seconds:.0f}" if count and seconds > 0 else NONE
