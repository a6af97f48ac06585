"""What a fault experiment is: faults put into a running platform, and an account of what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Size(Enum):
    """How much an experiment does: SHORT within a minute, for `make integration`; LONG for `make chaos`."""

    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True)
class Figures:
    """What one experiment found.

    Args:
        fault: What was done, with its numbers, such as "200 kills of random services".
        injected: How many faults.
        handed_in: Pieces of work that were accepted: images, records, calls.
        lost: Of them, those without an end.
        doubled: Of them, those with more than one visible result.
        dead: Of them, those that ended as a dead letter.
        wrong: Of them, those whose result is not that of an undisturbed run.
        recovery_s: From the end of the fault until work goes on again, worst case; None where nothing stops.
        note: What else a reader needs, in one sentence; may be empty.
    """

    fault: str
    injected: int
    handed_in: int
    lost: int = 0
    doubled: int = 0
    dead: int = 0
    wrong: int = 0
    recovery_s: float | None = None
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether faults met work, and no work was lost, doubled or done wrong."""
        return bool(self.injected and self.handed_in) and not (self.lost or self.doubled or self.wrong)


Run = Callable[[Path, Size], list[Figures]]
"""Puts the faults in, with a new folder to keep everything in; leaves no process behind.

It raises AssertionError where a promise other than those that `Figures` counts is broken."""


@dataclass(frozen=True)
class Experiment:
    """One kind of fault.

    Args:
        name: Also that of the module and the test, such as `kills`.
        promise: What must hold, in one sentence.
        run: Does it.
        short_timeout_s: The longest that the short form may take.
    """

    name: str
    promise: str
    run: Run
    short_timeout_s: float = 240.0
