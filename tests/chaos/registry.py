"""Every fault experiment there is."""

from __future__ import annotations

from typing import Final

from tests.chaos.experiment import Experiment

EXPERIMENTS: Final[tuple[Experiment, ...]] = ()
