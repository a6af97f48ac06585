"""Retrieval, put together."""

from __future__ import annotations

import math
from functools import partial

from fovea.retrieval.v1 import retrieval_pb2_grpc
from services.kernel import defaults
from services.kernel.errors import FoveaError, Unavailable
from services.retrieval.adapters.exemplar_records import TOPIC, ApplyExemplars
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.numpy_index import NumpyIndex
from services.retrieval.adapters.telemetry import MetricsMonitor
from services.retrieval.entrypoints.handlers import OnRegionsEncoded
from services.retrieval.entrypoints.servicer import RetrievalServicer, UseCases
from services.retrieval.settings import RetrievalSettings
from services.retrieval.usecases import (
    AuditMemory,
    ExportExemplars,
    ListExemplars,
    ListLabels,
    MineNegatives,
    Recall,
    Voting,
)
from services.runtime.assembly import Assembly
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import EventLog, TopicPartition
from services.runtime.event_loop import Subscription
from services.runtime.follower import Follower
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import Metrics


def assemble(
    settings: RetrievalSettings,
    log: EventLog,
    *,
    metrics: Metrics,
    version: str,
    claims: Claims | None = None,
) -> Assembly:
    """Return retrieval; it is ready when its memory holds all that was in the log when it started.

    Args:
        settings: How many neighbours vote, and how long a read waits for what it wrote.
        log: Where the exemplars are.
        metrics: Of the process.
        version: Of this release, for the records.
        claims: Has the values of exemplars that are too large for the log.
    """
    index = NumpyIndex()
    follower = Follower(log, [TOPIC], ApplyExemplars(index, metrics.memory, claims=claims or NoClaims()))
    metrics.memory.replica_lag.set_function(partial(_lag, log, follower))
    memory = LogMemory(index, follower.wait_until, most_wait_s=settings.freshness_wait_s)
    voting = Voting(defaults.VOTES, settings.neighbours_per_space)
    recall = Recall(memory, voting=voting, monitor=MetricsMonitor(metrics.memory), version=version)
    usecases = UseCases(
        recall,
        list_exemplars=ListExemplars(memory),
        export_exemplars=ExportExemplars(memory),
        list_labels=ListLabels(memory),
        mine_negatives=MineNegatives(memory),
        audit_memory=AuditMemory(memory),
    )
    servicer = Servicer(
        "fovea.retrieval.v1.RetrievalService",
        retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server,
        RetrievalServicer(usecases),
    )
    return Assembly(
        "retrieval",
        servicers=(servicer,),
        subscriptions=(Subscription("regions.encoded", "retrieval", OnRegionsEncoded(recall)),),
        background=(follower,),
        checks={"memory": partial(_check, follower)},
    )


def _check(follower: Follower) -> None:
    """Raise Unavailable unless the memory is complete and kept up to date."""
    if not follower.wait_caught_up(0.0):
        raise Unavailable("the memory is still being read from the log")


def _lag(log: EventLog, follower: Follower) -> float:
    """Return how many records of the memory are not yet applied; NaN if the log cannot say."""
    try:
        ends = log.end_offsets(TOPIC)
    except FoveaError:
        return math.nan
    applied = follower.position()
    return float(
        sum(end - applied.get(TopicPartition(TOPIC, partition), 0) for partition, end in ends.items())
    )
