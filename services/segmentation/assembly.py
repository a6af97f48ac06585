"""Segmentation put together."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Final

from prometheus_client import CollectorRegistry

from fovea.segmentation.v1 import segmentation_pb2_grpc
from models.segmentation.imported.masks import MaskModels
from services.kernel.sharing import Once, Turns
from services.kernel.texts import KnownTexts, TextEncoder, TextKey
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
from services.segmentation.adapters.imported import (
    ImportedDetection,
    ImportedDetector,
    ImportedMasks,
    ImportedTexts,
    imported_detection,
    imported_masks,
)
from services.segmentation.adapters.models import ModelDetector, ModelExemplarEncoder
from services.segmentation.domain.finding import Tiling
from services.segmentation.domain.seen import Seen, SeenKey
from services.segmentation.entrypoints.handlers import OnImagesSubmitted
from services.segmentation.entrypoints.servicer import SegmentationServicer
from services.segmentation.ports import Detector, ExemplarEncoder, Masker
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
    SecondLooks,
    StackKey,
    Stages,
)

_LOG: Final = logging.getLogger(__name__)
_TOPIC: Final = "images.submitted"
_NOTHING: Final = Wanted()


@dataclass(frozen=True)
class FindingCounters:
    """Where it is counted what is kept, and what is looked for and found."""

    caches: CacheMetrics = field(default_factory=lambda: CacheMetrics(CollectorRegistry()))
    finding: FindingMetrics = field(default_factory=lambda: FindingMetrics(CollectorRegistry()))


@dataclass(frozen=True)
class Ways:
    """How things are found: by our own detector or an imported one, and who makes masks if that does not."""

    detection: Detection | ImportedDetection
    masks: MaskModels | None = None
    wanted: Wanted = _NOTHING


@dataclass(frozen=True)
class Finder:
    """How things are found, and what runs the models for it."""

    models: ModelExecution
    ways: Ways

    def detector(self) -> Detector:
        """Return what sees squares."""
        if isinstance(self.ways.detection, ImportedDetection):
            return ImportedDetector(self.models, self.ways.detection)
        return ModelDetector(self.models, self.ways.detection)

    def reader(self) -> TextEncoder:
        """Return what reads prompts."""
        if isinstance(self.ways.detection, ImportedDetection):
            return ImportedTexts(self.models, self.ways.detection)
        return ModelTextEncoder(self.models, self.ways.detection.reading)

    def seer(self) -> ExemplarEncoder | None:
        """Return what sees pictures of what is looked for; an imported detector reads texts alone."""
        found = self.ways.detection
        if isinstance(found, ImportedDetection) or found.exemplars is None:
            return None
        return ModelExemplarEncoder(self.models, found.exemplars, space=found.reading.space)

    def second_looks(self, *, most: int | None) -> SecondLooks | None:
        """Return what looks at crops as well; None if nothing does.

        Args:
            most: Places of an image; None: as the detector says.
        """
        found, seer = self.ways.detection, self.seer()
        if isinstance(found, ImportedDetection) or found.second_look is None or seer is None or most == 0:
            return None
        look = found.second_look if most is None else replace(found.second_look, most=most)
        return SecondLooks(seer, look, found.second_thresholds, deadline)

    def masker(self) -> Masker | None:
        """Return what makes masks of boxes, if something does."""
        return None if self.ways.masks is None else ImportedMasks(self.models, self.ways.masks)


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
    find = None
    if finder is not None and passes is not None:
        find = FindRegions(passes, deadline, metrics.finding, masker=finder.masker())
    propose = ProposeRegions(stages, check=deadline.check, find=find)
    draw = DrawMaps(passes, StoredMaps(store, topic="regions.proposed"), stages)
    workers = Workers(threads=2 * settings.finds_at_once, item_timeout_s=settings.find_item_timeout_s)
    at_once = min(settings.finds_at_once, TOPICS[_TOPIC].settings.partitions)
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
        checks={} if finder is None else {"detector": finder.detector().models},
    )


def _passes(
    settings: SegmentationSettings, store: ObjectStore, finder: Finder, metrics: CacheMetrics
) -> Passes:
    images = StoredImages(store)
    detector = finder.detector()
    seen: Once[SeenKey, Seen] = Once(
        deadline,
        most=settings.kept_passes_mb * 1_000_000,
        weigh=lambda each: each.size_bytes,
        counts=metrics.of("passes"),
    )
    pace = Pace(deadline, Turns(deadline, at_once=settings.finds_at_once), seen)
    tiling = Tiling(settings.tiles_from_px, settings.find_tiles)
    vectors = _vectors(settings, images, finder, metrics)
    look = Look(images, detector, tiling, pace, finder.second_looks(most=settings.second_look))
    return Passes(look, detector, vectors, deadline)


def _vectors(
    settings: SegmentationSettings, images: StoredImages, finder: Finder, metrics: CacheMetrics
) -> PromptVectors:
    texts: Once[TextKey, Embedding] = Once(deadline, most=settings.kept_prompts, counts=metrics.of("prompts"))
    stacks: Once[StackKey, Rows] = Once(
        deadline,
        most=settings.kept_lists_mb * 1_000_000,
        weigh=lambda rows: int(rows.nbytes),
        counts=metrics.of("prompt_lists"),
    )
    exemplars = None
    seer = finder.seer()
    if seer is not None:
        kept: Once[ExemplarKey, Row] = Once(
            deadline, most=settings.kept_prompts, counts=metrics.of("exemplars")
        )
        exemplars = Exemplars(images, seer, kept)
    return PromptVectors(finder.reader(), KnownTexts(texts, deadline), exemplars, stacks)


def open_ways(settings: SegmentationSettings) -> Ways | None:
    """Return how things are found; None without a detector.

    Raises:
        NotFound: A detector that was asked for by name, or a model that it needs, is not there.
        Corrupt: A file is not the one that its model describes.
        Unsupported: It is no detector.
    """
    return _ways(settings, OpenedModels(ModelStore(settings.model_folder)))


def open_finder(settings: SegmentationSettings, metrics: ModelMetrics) -> Finder | None:
    """Return how things are found, and what runs the models; None without one. Raises as `open_ways`."""
    opened = OpenedModels(ModelStore(settings.model_folder))
    ways = _ways(settings, opened)
    return None if ways is None else Finder(run_models(settings, opened, ways.wanted, metrics), ways)


def wanted_by(ways: Ways | None) -> Wanted:
    """Return the models that a process has to run so that things are found."""
    return _NOTHING if ways is None else ways.wanted


def _ways(settings: SegmentationSettings, opened: OpenedModels) -> Ways | None:
    name = settings.detector_model
    if not name:
        return None
    if name not in opened and "detector_model" not in settings.model_fields_set:
        _LOG.warning("%s is not in the model folder: nothing will be found by prompts", name)
        return None
    found: Detection | ImportedDetection
    if opened(name).description.finding is None:
        found = detection(name, opened)
    else:
        found = imported_detection(name, opened)
    if not settings.mask_model:
        return Ways(found, wanted=found.wanted)
    masks, wanted = imported_masks(settings.mask_model, opened)
    return Ways(found, masks, found.wanted | wanted)
