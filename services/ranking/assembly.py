"""Ranking, put together."""

from __future__ import annotations

import logging
from typing import Final

from prometheus_client import CollectorRegistry

from fovea.ranking.v1 import ranking_pb2_grpc
from services.kernel import defaults
from services.kernel.errors import InvalidInput, NotFound
from services.kernel.sharing import Once, Turns
from services.ranking.adapters.breaker import RestingRanker
from services.ranking.adapters.described import Described, described
from services.ranking.adapters.multimodal import MultimodalRanker
from services.ranking.adapters.pairs import LOOK_BYTES, Looks
from services.ranking.adapters.pictures import PictureRanker
from services.ranking.adapters.remote.opening import open_remote
from services.ranking.adapters.telemetry import MetricsMonitor
from services.ranking.adapters.words import Texts
from services.ranking.domain.asking import Effort, Mode
from services.ranking.domain.ordering import Thresholds
from services.ranking.domain.planning import Plan
from services.ranking.entrypoints.handlers import OnCandidatesRetrieved
from services.ranking.entrypoints.servicer import RankingServicer
from services.ranking.ports import Monitor, Ranker
from services.ranking.settings import RankingSettings
from services.ranking.usecases import Answer, AskRanker, Desk, QuestionKey, Rank
from services.runtime import deadline
from services.runtime.assembly import Assembly, Background
from services.runtime.event_loop import Subscription
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import CacheMetrics, Metrics, ModelMetrics
from services.runtime.model_execution.opening import OpenedModels, Wanted, run_models
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.store import ModelStore
from services.runtime.object_store.ports import ObjectStore
from services.runtime.stored_images import StoredImages
from services.runtime.stream_workers import Workers
from services.runtime.topics import TOPICS

_LOG: Final = logging.getLogger(__name__)
_TOPIC: Final = "candidates.retrieved"


def assemble(
    settings: RankingSettings,
    store: ObjectStore,
    ranker: Ranker | None,
    *,
    metrics: Metrics,
    version: str,
) -> Assembly:
    """Return ranking over an object store and, if there is one, a model.

    That the model is away is no reason not to be ready: retrieval's order is an answer.

    Args:
        settings: How hard, and how much at a time.
        store: Where images are.
        ranker: Orders candidates; None: they stay as retrieval has them.
        metrics: Of the process.
        version: Of this release, for the records.
    """
    monitor = MetricsMonitor(metrics.ranking)
    rank = Rank(
        thresholds=Thresholds(defaults.TRUST_THRESHOLD, defaults.UNKNOWN_THRESHOLD, defaults.LEVEL_THRESHOLD),
        monitor=monitor,
        version=version,
        ask=None if ranker is None else _ask(settings, store, ranker, monitor, metrics),
    )
    workers = Workers(threads=2 * settings.rankings_at_once, item_timeout_s=settings.ranking_item_timeout_s)
    servicer = Servicer(
        "fovea.ranking.v1.RankingService",
        ranking_pb2_grpc.add_RankingServiceServicer_to_server,
        RankingServicer(rank, workers),
    )
    at_once = 1 if ranker is None else min(settings.rankings_at_once, TOPICS[_TOPIC].settings.partitions)
    handled = Subscription(_TOPIC, "ranking", OnCandidatesRetrieved(rank), workers=at_once)
    background = (workers, ranker) if isinstance(ranker, Background) else (workers,)
    return Assembly("ranking", servicers=(servicer,), subscriptions=(handled,), background=background)


def _ask(
    settings: RankingSettings, store: ObjectStore, ranker: Ranker, monitor: Monitor, metrics: Metrics
) -> AskRanker:
    kept = settings.kept_judgements
    once: Once[QuestionKey, Answer] = Once(
        deadline,
        most=kept,
        weigh=lambda answer: 1 if answer.whole else kept + 1,
        counts=metrics.caches.of("judgements"),
    )
    known = ranker.terms().modes
    mode = Mode(settings.ranking_mode) if settings.ranking_mode else known[0]
    if mode not in known:
        raise InvalidInput(
            f"FOVEA_RANKING_MODE is {mode.value}, which this model does not know, but "
            f"{', '.join(each.value for each in known)}",
            field="ranking_mode",
            reason="MODE_NOT_SERVED",
        )
    wanted = Plan(labels=settings.ranking_candidates, effort=Effort(mode, settings.ranking_orders), regions=0)
    desk = Desk(
        deadline,
        Turns(deadline, at_once=settings.rankings_at_once),
        once,
        wanted,
        budget_s=settings.ranking_budget_s,
    )
    if settings.remote_ranker_url or settings.triton_url:
        ranker = RestingRanker(ranker, metrics.ranking.server_up)
    return AskRanker(ranker, StoredImages(store), desk, monitor)


def open_ways(settings: RankingSettings) -> Described | None:
    """Return how the model of the settings is asked; None without one, and if it is on a server of others.

    Raises:
        NotFound: A model that was asked for by name, or one that it needs, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It does not order candidates.
    """
    return _ways(settings, OpenedModels(ModelStore(settings.model_folder)))


def open_ranker(settings: RankingSettings, metrics: ModelMetrics | None = None) -> Ranker | None:
    """Return what orders candidates, with what runs its models; None without one. Raises as `open_ways`."""
    remote = open_remote_ranker(settings)
    if remote is not None:
        return remote
    opened = OpenedModels(ModelStore(settings.model_folder))
    ways = _ways(settings, opened)
    if ways is None:
        return None
    models = run_models(settings, opened, ways.wanted, metrics or ModelMetrics(CollectorRegistry()))
    return ranker_over(settings, models, ways)


def open_remote_ranker(settings: RankingSettings) -> Ranker | None:
    """Return what asks a model on somebody's server, if the settings name one; it need not be there."""
    return open_remote(settings)


def ranker_over(
    settings: RankingSettings,
    models: ModelExecution,
    ways: Described | None,
    caches: CacheMetrics | None = None,
) -> Ranker | None:
    """Return what orders candidates with models that somebody runs."""
    if ways is None:
        return None
    looks: Looks = Once(
        deadline,
        most=settings.kept_looks_mb * 1_000_000,
        weigh=lambda kept: settings.kept_looks_mb * 1_000_000 + 1 if kept.look is None else LOOK_BYTES,
        counts=None if caches is None else caches.of("looks"),
    )
    texts: Texts = Once(
        deadline, most=settings.kept_names, counts=None if caches is None else caches.of("names")
    )
    if ways.mode is Mode.PICTURES:
        return PictureRanker(models, ways, looks, texts)
    return MultimodalRanker(models, ways, looks, texts)


def wanted_by(ways: Described | None) -> Wanted:
    """Return the models that a process has to run so that candidates are ordered."""
    return Wanted() if ways is None else ways.wanted


def _ways(settings: RankingSettings, opened: OpenedModels) -> Described | None:
    name = settings.ranking_model
    if not name or settings.remote_ranker_url:
        return None
    if "ranking_model" in settings.model_fields_set:
        return described(name, opened, settings.ranking_mode)
    try:
        return described(name, opened, settings.ranking_mode)
    except NotFound as error:
        _LOG.warning("candidates stay as retrieval has them: %s", error)
        return None
