"""Encoding put together."""

from __future__ import annotations

from dataclasses import dataclass

from fovea.encoding.v1 import encoding_pb2_grpc
from models.text.tokenizer import Tokenizer
from services.encoding.adapters.images import StoredImages
from services.encoding.adapters.models import ModelImageEncoder, ModelLookEncoder, ModelTextEncoder
from services.encoding.entrypoints.handlers import OnExemplarsSubmitted, OnRegionsProposed
from services.encoding.entrypoints.servicer import EncodingServicer
from services.encoding.settings import EncodingSettings
from services.encoding.usecases import (
    EncodeExemplar,
    EncodeRegions,
    EncodeTexts,
    Eyes,
    Once,
    Pace,
    RestoreExemplar,
    Stages,
    Turns,
)
from services.runtime import deadline
from services.runtime.assembly import Assembly
from services.runtime.event_loop import Handler, Subscription
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.store import ModelStore
from services.runtime.model_execution.triton import TritonModels, TritonSettings
from services.runtime.object_store.ports import ObjectStore
from services.runtime.topics import TOPICS


@dataclass(frozen=True)
class Reading:
    """How texts become tokens, and in which sentences names are read: both as the text model was made."""

    tokenizer: Tokenizer
    name_templates: tuple[str, ...] = ()


def assemble(
    settings: EncodingSettings,
    store: ObjectStore,
    models: ModelExecution,
    reading: Reading,
    *,
    version: str,
) -> Assembly:
    """Return encoding over an object store and whatever runs models.

    Args:
        settings: Which models, and how much at a time.
        store: Where images are.
        models: Runs the models.
        reading: How the text model is to be given texts.
        version: Of this release, for the records.
    """
    stages = Stages(version)
    first = ModelImageEncoder(
        models, name=settings.image_model, bridge=settings.bridge_model, space=settings.image_space
    )
    others = (
        ModelLookEncoder(models, name=name, space=space) for space, name in settings.models_by_space.items()
    )
    eyes = Eyes(first, *others)
    reader = ModelTextEncoder(models, name=settings.text_model, tokenizer=reading.tokenizer)
    turns = Turns(deadline, at_once=settings.images_at_once)
    pace = Pace(deadline, turns, Once(deadline, entries=settings.kept_regions))
    regions = EncodeRegions(StoredImages(store), eyes, pace, stages)
    texts = EncodeTexts(reader, Once(deadline, entries=settings.kept_texts), deadline, stages)
    exemplar = EncodeExemplar(regions, texts, eyes, name_templates=reading.name_templates)
    exemplars = OnExemplarsSubmitted(exemplar, RestoreExemplar(eyes, reader))
    return Assembly(
        name="encoding",
        servicers=(
            Servicer(
                "fovea.encoding.v1.EncodingService",
                encoding_pb2_grpc.add_EncodingServiceServicer_to_server,
                EncodingServicer(regions, texts, eyes),
            ),
        ),
        subscriptions=(
            _subscription("regions.proposed", OnRegionsProposed(regions), settings),
            _subscription("exemplars.submitted", exemplars, settings),
        ),
        checks={"image models": first.models, "text model": reader.models},
    )


def open_models(settings: EncodingSettings, metrics: ModelMetrics) -> tuple[ModelExecution, Reading]:
    """Return the models, and how the text model is to be given texts.

    In this process they are loaded and run once. On Triton they need not be there yet; until they are,
    whoever asks hears Unavailable. What is said of reading always comes from the model folder.

    Raises:
        NotFound: A model, or a package with its weights, is not there; the message says how to get it.
        Corrupt: A file is not the one that its model describes.
    """
    store = ModelStore(settings.model_folder)
    text = store.open(settings.text_model)
    reading = Reading(Tokenizer.from_file(text.external("tokenizer")), text.description.name_templates)
    names = (
        settings.image_model,
        settings.bridge_model,
        settings.text_model,
        *settings.models_by_space.values(),
    )
    if settings.triton_url:
        triton = TritonSettings(
            settings.triton_url, timeout_s=settings.triton_timeout_s, ca_file=settings.triton_ca_file
        )
        return TritonModels(triton, names, expected={text.name: text.identity}, metrics=metrics), reading
    folders = {name: text if name == text.name else store.open(*name.split("/", 1)) for name in names}
    models = OnnxModels(folders.values(), names=folders.keys(), metrics=metrics)
    models.warm_up()
    return models, reading


def _subscription(topic: str, handler: Handler, settings: EncodingSettings) -> Subscription:
    """Return a subscription that keeps as many cores busy as its topic has partitions for."""
    workers = min(settings.images_at_once, TOPICS[topic].settings.partitions)
    return Subscription(topic, "encoding", handler, workers=workers)
