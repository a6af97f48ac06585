"""Ranking, put together."""

from __future__ import annotations

from fovea.ranking.v1 import ranking_pb2_grpc
from services.kernel import defaults
from services.ranking.adapters.telemetry import MetricsMonitor
from services.ranking.domain.ordering import Thresholds
from services.ranking.entrypoints.handlers import OnCandidatesRetrieved
from services.ranking.entrypoints.servicer import RankingServicer
from services.ranking.usecases import Rank
from services.runtime.assembly import Assembly
from services.runtime.event_loop import Subscription
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import Metrics


def assemble(*, metrics: Metrics, version: str) -> Assembly:
    """Return ranking, which needs nothing from the world yet.

    Args:
        metrics: Of the process.
        version: Of this release, for the records.
    """
    rank = Rank(
        thresholds=Thresholds(defaults.TRUST_THRESHOLD, defaults.UNKNOWN_THRESHOLD, defaults.LEVEL_THRESHOLD),
        monitor=MetricsMonitor(metrics.ranking),
        version=version,
    )
    servicer = Servicer(
        "fovea.ranking.v1.RankingService",
        ranking_pb2_grpc.add_RankingServiceServicer_to_server,
        RankingServicer(rank),
    )
    handled = Subscription("candidates.retrieved", "ranking", OnCandidatesRetrieved(rank))
    return Assembly("ranking", servicers=(servicer,), subscriptions=(handled,))
