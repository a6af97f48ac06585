"""What a step answers today beside what the record says it answered."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Final

from services.kernel.errors import FoveaError
from services.kernel.vocabulary import Mask, Stage

MOST_DIFFERENCES: Final = 50
_TOLERANCE: Final = 1e-3
_TIMES: Final = frozenset({"duration_s", "cached"})
_MADE_WITH: Final = ("version", "models", "memory_version")


@dataclass(frozen=True)
class Difference:
    """One value that is another one today; "" where there was, or is, none."""

    place: str
    before: str
    now: str


class Outcome(enum.Enum):
    """How a step answers today."""

    SAME = "same"
    DIFFERS = "differs"
    NOT_RUN = "not_run"


@dataclass(frozen=True)
class ReplayedStep:
    """One step, run again.

    Attributes:
        name: As in the record.
        differences: What it answers otherwise.
        made_with: With what it does so; that may change while the answer stays.
        error: Why it could not be run.
    """

    name: str
    differences: tuple[Difference, ...] = ()
    made_with: tuple[Difference, ...] = ()
    error: FoveaError | None = None

    @property
    def outcome(self) -> Outcome:
        """What came of it."""
        if self.error is not None:
            return Outcome.NOT_RUN
        return Outcome.DIFFERS if self.differences else Outcome.SAME


def compare(before: object, now: object) -> tuple[Difference, ...]:
    """Return where two values part, at most `MOST_DIFFERENCES` places; times are not looked at.

    Numbers are alike within a thousandth: another processor may add in another order.
    """
    then, today = dict(_leaves(before, "")), dict(_leaves(now, ""))
    parted = (place for place in {**then, **today} if not _alike(then.get(place), today.get(place)))
    return tuple(
        Difference(place, _shown(then.get(place)), _shown(today.get(place)))
        for place, _ in zip(parted, range(MOST_DIFFERENCES), strict=False)
    )


def compare_made_with(before: Stage | None, now: Stage) -> tuple[Difference, ...]:
    """Return what a step is made with today and was not then."""
    return tuple(
        Difference(name, _shown(_listed(getattr(before, name, None))), _shown(_listed(getattr(now, name))))
        for name in _MADE_WITH
        if getattr(before, name, None) != getattr(now, name)
    )


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    """Yield every single value with its place; a mask is one."""
    if is_dataclass(value) and not isinstance(value, (type, Mask)):
        names = [field.name for field in fields(value) if field.name not in _TIMES]
        parts = {f"{place}.{name}".lstrip("."): getattr(value, name) for name in names}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        parts = {f"{place}.{name}".lstrip("."): part for name, part in value._asdict().items()}
    elif isinstance(value, Mapping):
        parts = {f"{place}.{name}".lstrip("."): part for name, part in value.items()}
    elif isinstance(value, Sequence) and not isinstance(value, str):
        parts = {f"{place}[{i}]": part for i, part in enumerate(value)}
    else:
        yield place, value
        return
    for name, part in parts.items():
        yield from _leaves(part, name)


def _alike(before: object, now: object) -> bool:
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return before == now


def _listed(value: object) -> object:
    return ", ".join(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mask):
        return f"{sum(value.counts[1::2])} pixels"
    if isinstance(value, enum.Enum):
        return str(value.value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
