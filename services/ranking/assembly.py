"""Ranking, put together."""

from __future__ import annotations

from importlib import metadata
from typing import Final

from fovea.ranking.v1 import ranking_pb2, ranking_pb2_grpc
from services.ranking.adapters.telemetry import MetricsMonitor
from services.ranking.domain import Thresholds
from services.ranking.entrypoints.handlers import OnCandidatesRetrieved
from services.ranking.entrypoints.servicer import RankingServicer
from services.ranking.settings import RankingSettings
from services.ranking.usecases import Rank
from services.runtime.assembly import Assembly
from services.runtime.event_loop import Subscription
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import Metrics

NAME: Final = "ranking"


def assemble(settings: RankingSettings, *, metrics: Metrics) -> Assembly:
    """Return the service; it needs nothing of the world but the time."""
    rank = Rank(
        thresholds=Thresholds(settings.trust_threshold, settings.unknown_threshold),
        monitor=MetricsMonitor(metrics.ranking),
        version=metadata.version("fovea"),
    )
    servicer = Servicer(
        ranking_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name,
        ranking_pb2_grpc.add_RankingServiceServicer_to_server,
        RankingServicer(rank),
    )
    handled = Subscription("candidates.retrieved", NAME, OnCandidatesRetrieved(rank))
    return Assembly(NAME, servicers=(servicer,), subscriptions=(handled,))
