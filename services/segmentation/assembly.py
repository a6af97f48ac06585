"""Segmentation put together."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry

from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.sharing import Once, Turns
from services.kernel.texts import KnownTexts, TextKey
from services.kernel.vocabulary import Embedding
from services.runtime import deadline
from services.runtime.assembly import Assembly
from services.runtime.event_loop import Subscription
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import CacheMetrics, FindingMetrics, ModelMetrics
from services.runtime.model_execution.opening import OpenedModels, Wanted, run_models
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.texts import ModelTextEncoder
from services.runtime.object_store.ports import ObjectStore
from services.runtime.stored_images import StoredImages
from services.runtime.stored_maps import StoredMaps
from services.runtime.stream_workers import Workers
from services.runtime.topics import TOPICS
from services.segmentation.adapters.described import Detection, detection
from services.segmentation.adapters.models import ModelDetector, ModelExemplarEncoder
from services.segmentation.domain.finding import Tiling
from services.segmentation.domain.seen import Seen, SeenKey
from services.segmentation.entrypoints.handlers import OnImagesSubmitted
from services.segmentation.entrypoints.servicer import SegmentationServicer
from services.segmentation.settings import SegmentationSettings
from services.segmentation.usecases import (
    DrawMaps,
    ExemplarKey,
    Exemplars,
    FindRegions,
    Look,
    Pace,
    Passes,
    PromptVectors,
    ProposeRegions,
    Row,
    Rows,
    StackKey,
    Stages,
)

_LOG: Final = logging.getLogger(__name__)
_TOPIC: Final = "images.submitted"


@dataclass(frozen=True)
class FindingCounters:
    """Where it is counted what is kept, and what is looked for and found."""

    caches: CacheMetrics = field(default_factory=lambda: CacheMetrics(CollectorRegistry()))
    finding: FindingMetrics = field(default_factory=lambda: FindingMetrics(CollectorRegistry()))


@dataclass(frozen=True)
class Finder:
    """How things are found, and what runs the models for it."""

    models: ModelExecution
    detection: Detection


def assemble(
    settings: SegmentationSettings,
    store: ObjectStore,
    finder: Finder | None,
    *,
    version: str,
    metrics: FindingCounters | None = None,
) -> Assembly:
    """Return segmentation over an object store and, if there is one, a detector.

    Args:
        settings: How much at a time.
        store: Where images are.
        finder: Finds what prompts name; None: they are refused, and all else works.
        version: Of this release, for the records.
        metrics: Where it is counted what is kept and found.
    """
    metrics = metrics or FindingCounters()
    stages = Stages(version)
    passes = None if finder is None else _passes(settings, store, finder, metrics.caches)
    find = None if passes is None else FindRegions(passes, deadline, metrics.finding)
    propose = ProposeRegions(stages, check=deadline.check, find=find)
    draw = DrawMaps(passes, StoredMaps(store, topic="regions.proposed"), stages)
    workers = Workers(threads=2 * settings.finds_at_once, item_timeout_s=settings.find_item_timeout_s)
    at_once = min(settings.finds_at_once, TOPICS[_TOPIC].settings.partitions)
    detector = None if finder is None else ModelDetector(finder.models, finder.detection)
    return Assembly(
        name="segmentation",
        servicers=(
            Servicer(
                "fovea.segmentation.v1.SegmentationService",
                segmentation_pb2_grpc.add_SegmentationServiceServicer_to_server,
                SegmentationServicer(propose, draw, workers),
            ),
        ),
        subscriptions=(Subscription(_TOPIC, "segmentation", OnImagesSubmitted(propose), workers=at_once),),
        background=(workers,),
        checks={} if detector is None else {"detector": detector.models},
    )


def _passes(
    settings: SegmentationSettings, store: ObjectStore, finder: Finder, metrics: CacheMetrics
) -> Passes:
    images = StoredImages(store)
    detector = ModelDetector(finder.models, finder.detection)
    seen: Once[SeenKey, Seen] = Once(
        deadline,
        most=settings.kept_passes_mb * 1_000_000,
        weigh=lambda each: each.size_bytes,
        counts=metrics.of("passes"),
    )
    pace = Pace(deadline, Turns(deadline, at_once=settings.finds_at_once), seen)
    tiling = Tiling(settings.tiles_from_px, settings.find_tiles)
    vectors = _vectors(settings, images, finder, metrics)
    return Passes(Look(images, detector, tiling, pace), detector, vectors, deadline)


def _vectors(
    settings: SegmentationSettings, images: StoredImages, finder: Finder, metrics: CacheMetrics
) -> PromptVectors:
    reading, sight = finder.detection.reading, finder.detection.exemplars
    texts: Once[TextKey, Embedding] = Once(deadline, most=settings.kept_prompts, counts=metrics.of("prompts"))
    stacks: Once[StackKey, Rows] = Once(
        deadline,
        most=settings.kept_lists_mb * 1_000_000,
        weigh=lambda rows: int(rows.nbytes),
        counts=metrics.of("prompt_lists"),
    )
    exemplars = None
    if sight is not None:
        kept: Once[ExemplarKey, Row] = Once(
            deadline, most=settings.kept_prompts, counts=metrics.of("exemplars")
        )
        encoder = ModelExemplarEncoder(finder.models, sight, space=reading.space)
        exemplars = Exemplars(images, encoder, kept)
    reader = ModelTextEncoder(finder.models, reading)
    return PromptVectors(reader, KnownTexts(texts, deadline), exemplars, stacks)


def open_detection(settings: SegmentationSettings) -> Detection | None:
    """Return how things are found; None without a detector.

    Raises:
        NotFound: A detector that was asked for by name, or a model that it needs, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It is no detector.
    """
    opened = OpenedModels(ModelStore(settings.model_folder))
    return _detection(settings, opened)


def open_finder(settings: SegmentationSettings, metrics: ModelMetrics) -> Finder | None:
    """Return the detector and what runs it; None without one. Raises as `open_detection`."""
    opened = OpenedModels(ModelStore(settings.model_folder))
    found = _detection(settings, opened)
    return None if found is None else Finder(run_models(settings, opened, found.wanted, metrics), found)


def wanted_by(found: Detection | None) -> Wanted:
    """Return the models that a process has to run so that things are found."""
    return Wanted() if found is None else found.wanted


def _detection(settings: SegmentationSettings, opened: OpenedModels) -> Detection | None:
    name = settings.detector_model
    if not name:
        return None
    if name not in opened and "detector_model" not in settings.model_fields_set:
        _LOG.warning("%s is not in the model folder: nothing will be found by prompts", name)
        return None
    return detection(name, opened)
