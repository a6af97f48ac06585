"""Encoding put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from fovea.encoding.v1 import encoding_pb2_grpc
from models.vision.local_encoder.reading import FeatureMaps
from services.encoding.adapters.described import TiledSight, tiled_sight
from services.encoding.adapters.models import ModelMapEncoder
from services.encoding.domain import RegionReading, size_bytes
from services.encoding.entrypoints.handlers import OnExemplarsSubmitted, OnRegionsProposed
from services.encoding.entrypoints.servicer import EncodingCases, EncodingServicer
from services.encoding.settings import EncodingSettings
from services.encoding.usecases import (
    CropReading,
    DenseReading,
    EncodeExemplar,
    EncodeMaps,
    EncodeRegions,
    EncodeTexts,
    Eyes,
    MapKey,
    MapPace,
    Maps,
    Pace,
    Readers,
    RestoreExemplar,
    Stages,
    WayOfReading,
)
from services.kernel.errors import InvalidInput
from services.kernel.sharing import Once, Turns
from services.kernel.texts import KnownTexts, TextKey
from services.kernel.vocabulary import NAME_SPACE, Embedding
from services.runtime import deadline
from services.runtime.assembly import Assembly
from services.runtime.event_loop import Handler, Subscription
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import CacheMetrics, ModelMetrics
from services.runtime.model_execution.crops import ModelImageEncoder, Sight, sight
from services.runtime.model_execution.opening import OpenedModels, Wanted, run_models
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.texts import ModelTextEncoder, Reading, reading
from services.runtime.object_store.ports import ObjectStore
from services.runtime.stored_images import StoredImages
from services.runtime.stored_maps import StoredMaps
from services.runtime.stream_workers import Workers
from services.runtime.topics import TOPICS

_NOTHING: Final = Wanted()


@dataclass(frozen=True)
class Senses:
    """How each model is asked.

    Attributes:
        sights: Those that see crops, the first one first.
        readings: Those that read texts, the first one first.
        tiled: Those that see a whole image, if there are any.
    """

    sights: tuple[Sight, ...]
    readings: tuple[Reading, ...]
    tiled: TiledSight | None = None


def assemble(  # noqa: PLR0913  (two of them by name)
    settings: EncodingSettings,
    store: ObjectStore,
    models: ModelExecution,
    senses: Senses,
    *,
    version: str,
    metrics: CacheMetrics | None = None,
) -> Assembly:
    """Return encoding over an object store and whatever runs models.

    Args:
        settings: How much at a time.
        store: Where images are.
        models: Runs the models.
        senses: How they are to be asked.
        version: Of this release, for the records.
        metrics: Where what is kept is counted.
    """
    metrics = metrics or CacheMetrics(CollectorRegistry())
    parts = _Parts(settings, store, models, senses, metrics, Stages(version))
    eyes, readers = parts.eyes(), parts.readers()
    regions, maps = parts.regions(eyes)
    once: Once[TextKey, Embedding] = Once(deadline, most=settings.kept_texts, counts=metrics.of("texts"))
    texts = EncodeTexts(readers, KnownTexts(once, deadline), parts.stages)
    cases = EncodingCases(regions, texts, maps, eyes, readers)
    exemplar = EncodeExemplar(regions, texts, eyes, readers)
    # Twice as many as may decode and encode: while these do, the next images are read.
    workers = Workers(threads=2 * settings.images_at_once, item_timeout_s=settings.item_timeout_s)
    return Assembly(
        name="encoding",
        servicers=(
            Servicer(
                "fovea.encoding.v1.EncodingService",
                encoding_pb2_grpc.add_EncodingServiceServicer_to_server,
                EncodingServicer(cases, workers),
            ),
        ),
        subscriptions=(
            _subscription("regions.proposed", OnRegionsProposed(regions), settings),
            _subscription(
                "exemplars.submitted",
                OnExemplarsSubmitted(exemplar, RestoreExemplar(eyes, readers)),
                settings,
            ),
        ),
        background=(workers,),
        checks={"image models": eyes.first.models, "text model": readers.first.models},
    )


@dataclass(frozen=True)
class _Parts:
    """What the use cases are made of."""

    settings: EncodingSettings
    store: ObjectStore
    models: ModelExecution
    senses: Senses
    metrics: CacheMetrics
    stages: Stages

    def eyes(self) -> Eyes:
        first, *others = self.senses.sights
        return Eyes(
            ModelImageEncoder(self.models, first, bridge=self.settings.bridge_model),
            *(ModelImageEncoder(self.models, each) for each in others),
        )

    def readers(self) -> Readers:
        return Readers(*(ModelTextEncoder(self.models, each) for each in self.senses.readings))

    def regions(self, eyes: Eyes) -> tuple[EncodeRegions, EncodeMaps | None]:
        """Return what encodes regions, in as many ways as there are models for; and maps, likewise."""
        settings, images = self.settings, StoredImages(self.store)
        turns = Turns(deadline, at_once=settings.images_at_once)
        pace = Pace(
            deadline,
            turns,
            Once(deadline, most=settings.kept_regions, counts=self.metrics.of("regions")),
        )
        crops = CropReading(images, eyes, pace)
        if self.senses.tiled is None:
            return EncodeRegions({RegionReading.CROP: crops}, pace, self.stages), None
        encoder = ModelMapEncoder(self.models, self.senses.tiled)
        kept: Once[MapKey, FeatureMaps] = Once(
            deadline,
            most=settings.kept_maps_mb * 1_000_000,
            weigh=size_bytes,
            counts=self.metrics.of("maps"),
        )
        maps = Maps(images, encoder, MapPace(deadline, turns, kept, most_tiles=settings.map_tiles))
        ways: dict[RegionReading, WayOfReading] = {
            RegionReading.CROP: crops,
            RegionReading.DENSE: DenseReading(maps, encoder, pace),
        }
        asked = RegionReading(settings.region_reading)
        regions = EncodeRegions({asked: ways[asked], **ways}, pace, self.stages)
        return regions, EncodeMaps(
            maps, encoder, StoredMaps(self.store, topic="regions.encoded"), self.stages
        )


def open_models(
    settings: EncodingSettings, metrics: ModelMetrics, *, also: Wanted = _NOTHING
) -> tuple[ModelExecution, Senses]:
    """Return the models, and how each is to be asked.

    What models say of themselves always comes from the model folder, wherever they run.

    Args:
        settings: Which they are.
        metrics: Of models.
        also: What other services of this process want, of the same store.

    Raises:
        NotFound: A model, or a package with its weights, is not there; the message says how to get it.
        Corrupt: A file is not the one that its model describes.
        Unsupported: A model is not of the kind that is wanted.
        InvalidInput: Two encoders serve one space.
    """
    opened = OpenedModels(ModelStore(settings.model_folder))
    senses = _senses(settings, opened)
    texts = [each.name for each in senses.readings]
    names = [settings.bridge_model, *(each.name for each in senses.sights), *texts]
    if senses.tiled is not None:
        names += [senses.tiled.local, senses.tiled.regions]
    wanted = Wanted(frozenset(filter(None, names)), frozenset(texts))
    return run_models(settings, opened, wanted | also, metrics), senses


def open_senses(settings: EncodingSettings) -> Senses:
    """Return how each model is to be asked, without running any. Raises as `open_models`."""
    return _senses(settings, OpenedModels(ModelStore(settings.model_folder)))


def _senses(settings: EncodingSettings, store: OpenedModels) -> Senses:
    texts = [settings.text_model, *settings.more_texts]
    tiled = None
    if settings.local_model:
        tiled = tiled_sight(store(settings.local_model), store(settings.regions_model))
    senses = Senses(
        tuple(_sights(settings, store)), tuple(reading(name, store(name)) for name in texts), tiled
    )
    seen = [space for each in senses.sights for space in each.outputs.values()]
    seen += [NAME_SPACE] * bool(settings.bridge_model)
    for spaces, kind in ((seen, "image"), ([each.space for each in senses.readings], "text")):
        space, count = Counter(spaces).most_common(1)[0]
        if count > 1:
            raise InvalidInput(
                f"two {kind} encoders serve the space {space}: give one of them another, as "
                f"SPACE=MODEL, or leave it out (FOVEA_MORE_{kind.upper()}_MODELS, FOVEA_BRIDGE_MODEL)",
                reason="SPACE_TAKEN",
            )
    return senses


def _sights(settings: EncodingSettings, store: OpenedModels) -> Iterator[Sight]:
    first = settings.image_model
    yield sight(first, store(first).description, space=settings.image_space)
    for space, name in settings.more_images:
        if space and settings.triton_url and name not in store:  # Triton has it, and all is said
            yield Sight(name, {"embeddings": space})
        else:
            yield sight(name, store(name).description, space=space, alone=bool(space))


def _subscription(topic: str, handler: Handler, settings: EncodingSettings) -> Subscription:
    """Return a subscription that keeps as many cores busy as its topic has partitions for."""
    workers = min(settings.images_at_once, TOPICS[topic].settings.partitions)
    return Subscription(topic, "encoding", handler, workers=workers)
