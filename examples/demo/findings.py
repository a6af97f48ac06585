"""All that one run found out: what console and report show."""

from __future__ import annotations

from dataclasses import dataclass

from examples.demo.metrics import percentile
from examples.demo.modes import Round
from examples.demo.scenes import SceneAnswer
from examples.demo.sheets import SheetAnswer
from examples.demo.task import VENDORS, Task


@dataclass(frozen=True)
class Setup:
    """What was run, and where.

    Attributes:
        version: Of Fovea.
        cpus: That this process may use.
        ready_s: From `fovea serve` to ready.
        bounded: Most known pictures asked per vendor and mode; None: all.
    """

    version: str
    cpus: int
    ready_s: float
    bounded: int | None


@dataclass(frozen=True)
class Findings:
    """One run.

    Attributes:
        took_s: From start to here.
    """

    task: Task
    rounds: tuple[Round, ...]
    sheets: tuple[SheetAnswer, ...]
    scenes: tuple[SceneAnswer, ...]
    setup: Setup
    took_s: float

    @property
    def queries(self) -> int:
        """Pictures asked in all modes together."""
        return sum(len(one.answers) for one in self.rounds)

    def vendor(self, name: str) -> str:
        """Return a vendor as people call it; whatever is no vendor stays."""
        return VENDORS.get(name, name)

    @property
    def alone_s(self) -> tuple[float, ...]:
        """How long a caller waited for each picture that was asked alone."""
        return tuple(waited_s for one in self.rounds for waited_s in one.alone_s)

    @property
    def alone_median_s(self) -> float:
        """Median of `alone_s`."""
        return percentile(self.alone_s, 50)

    @property
    def alone_p95_s(self) -> float:
        """95th percentile of `alone_s`."""
        return percentile(self.alone_s, 95)
