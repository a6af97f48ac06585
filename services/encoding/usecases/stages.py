"""Records of what encoding did."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.encoding.domain import RegionReading
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

    def ended(
        self,
        started: float,
        models: tuple[str, ...],
        *,
        rungs: tuple[str, ...] = (),
        reading: RegionReading | None = None,
    ) -> Stage:
        """Return what took part since `started`."""
        return Stage(
            "encoding",
            self.version,
            models,
            duration_s=self.clock() - started,
            rungs=rungs,
            reading=reading.value if reading else "",
        )
