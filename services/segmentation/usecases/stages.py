"""Records of what segmentation did."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.kernel.vocabulary import Stage


@dataclass(frozen=True)
class Stages:
    """Makes the record of one step.

    Attributes:
        version: Of this service.
        clock: Gives seconds; only differences count.
    """

    version: str
    clock: Callable[[], float] = time.perf_counter

    def ended(self, started: float, models: Sequence[str] = (), rungs: Sequence[str] = ()) -> Stage:
        """Return what took part since `started`."""
        return Stage(
            "segmentation",
            self.version,
            tuple(models),
            duration_s=self.clock() - started,
            rungs=tuple(rungs),
        )
