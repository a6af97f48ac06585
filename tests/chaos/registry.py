"""Every fault experiment there is."""

from __future__ import annotations

from typing import Final

from tests.chaos.back_pressure import BACK_PRESSURE
from tests.chaos.brokers import LOST_BROKERS
from tests.chaos.disk import DISK
from tests.chaos.edge import EDGE
from tests.chaos.event_log import EVENT_LOG
from tests.chaos.experiment import Experiment
from tests.chaos.forgotten import FORGOTTEN
from tests.chaos.kills import KILLS
from tests.chaos.model_server import MODEL_SERVER
from tests.chaos.object_store import OBJECT_STORE
from tests.chaos.poison import POISON
from tests.chaos.ranking_models import RANKING_MODELS
from tests.chaos.redelivery import REDELIVERY
from tests.chaos.rolling_restart import ROLLING_RESTART
from tests.chaos.trace_backend import TRACE_BACKEND
from tests.chaos.zombie import ZOMBIE

EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    KILLS,
    REDELIVERY,
    FORGOTTEN,
    ZOMBIE,
    LOST_BROKERS,
    EVENT_LOG,
    OBJECT_STORE,
    MODEL_SERVER,
    RANKING_MODELS,
    DISK,
    POISON,
    BACK_PRESSURE,
    ROLLING_RESTART,
    EDGE,
    TRACE_BACKEND,
)
