"""Finding by prompts over gRPC in this process, with images in memory, and the graphs alone beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

import numpy as np
from jaxtyping import Float32
from prometheus_client import CollectorRegistry

from benchmarks.bare import session
from benchmarks.stored import put
from fovea.kernel.v1 import image_pb2, prompt_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from models.segmentation.prepared import draw, whole
from models.vision.images import decode
from services.kernel.pictures import IMAGE_LIMITS
from services.runtime.metrics import ModelMetrics
from services.segmentation.assembly import assemble, open_finder
from services.segmentation.settings import SegmentationSettings
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served

_TIMEOUT_S = 600.0
_OUTPUTS = ["queries", "offsets", "boxes", "mask_queries", "mask_features", "texts"]


@dataclass(frozen=True)
class Finding:
    """A service and its callers' end."""

    stub: segmentation_pb2_grpc.SegmentationServiceStub
    store: InMemoryStore

    def put(self, data: bytes) -> image_pb2.ImageReference:
        """Store a picture as the gateway does, and return the reference to it."""
        return put(self.store, data)

    def find(self, image: image_pb2.ImageReference, prompts: Sequence[prompt_pb2.Prompt]) -> int:
        """Return how many regions the prompts find."""
        return self.ask(pb.ProposeRegionsRequest(image=image, prompts=prompts))

    def ask(self, request: pb.ProposeRegionsRequest) -> int:
        """Return how many regions a request finds."""
        return len(self.stub.ProposeRegions(request, timeout=_TIMEOUT_S).regions)

    def stream(
        self, images: Sequence[image_pb2.ImageReference], prompts: Sequence[prompt_pb2.Prompt]
    ) -> None:
        """Have the prompts looked for in all of them. Raises RuntimeError if one fails."""
        items = (
            pb.ProposeRegionsStreamRequest(item=pb.ProposeRegionsRequest(image=image, prompts=prompts))
            for image in images
        )
        for answer in self.stub.ProposeRegionsStream(items, timeout=_TIMEOUT_S):
            if answer.HasField("failure"):
                raise RuntimeError(answer.failure.message)


@contextmanager
def opened(**settings: object) -> Iterator[Finding]:
    """Serve finding with these settings. Raises RuntimeError without a detector."""
    given = SegmentationSettings.load(**settings)
    finder = open_finder(given, ModelMetrics(CollectorRegistry()))
    if finder is None:
        raise RuntimeError("there is no detector in the model folder")
    store = InMemoryStore()
    assembly = assemble(given, store, finder, version=metadata.version("fovea"))
    try:
        with served(*assembly.servicers) as channel:
            yield Finding(segmentation_pb2_grpc.SegmentationServiceStub(channel), store)
    finally:
        for each in assembly.background:
            each.close()


class BareGraphs:
    """Decodes, draws and runs the two graphs in the caller's thread, and makes nothing of what they say."""

    def __init__(self, texts: Float32[np.ndarray, "t 640"]) -> None:
        self._detector = session("fovea-detector")
        self._scorer = session("fovea-detector-text")
        self._texts = texts[np.newaxis]
        self._none = np.zeros((1, 1, texts.shape[1]), dtype=np.float32)

    def find(self, data: bytes) -> Float32[np.ndarray, "q t"]:
        """Return the logits of one picture."""
        pixels = decode(data, limits=IMAGE_LIMITS)
        square = draw(pixels, whole(pixels.shape[1], pixels.shape[0]))
        seen = self._detector.run(_OUTPUTS, {"images": square[np.newaxis], "sentences": self._none})
        asked = {"queries": seen[0], "offsets": seen[1], "texts": self._texts}
        (logits,) = self._scorer.run(["logits"], asked)
        found: np.ndarray = logits[0]
        return found
