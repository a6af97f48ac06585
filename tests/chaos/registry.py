"""Every fault experiment there is."""

from __future__ import annotations

from typing import Final

from tests.chaos.experiment import Experiment
from tests.chaos.model_server import MODEL_SERVER
from tests.chaos.object_store import OBJECT_STORE
from tests.chaos.poison import POISON

EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    OBJECT_STORE,
    MODEL_SERVER,
    POISON,
)
