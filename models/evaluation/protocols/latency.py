"""How long each stage takes for one picture, and how many regions a second ways of reading give."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from models.data.manifest import Manifest
from models.evaluation.encoders import VISUAL, Encoder
from models.evaluation.protocols.scenes import Reading
from models.vision.images import ImageLimits, decode
from models.vision.preparation import prepare
from models.vision.scenes import Scene

REGIONS: Final = (1, 5, 10, 20)
MEMORY: Final = 10_000
_LIMITS: Final = ImageLimits(max_bytes=1 << 25, max_pixels=1 << 24, max_side_px=1 << 13)
_MEGAPIXEL: Final = (1152, 868)
_TILE_PX: Final = 224
_TIMES: Final = 15


@dataclass(frozen=True)
class Stage:
    """Median and 95th percentile of one stage, in milliseconds."""

    name: str
    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Rate:
    """Regions a second of one image that has so many."""

    way: str
    regions: int
    per_s: float


def stages(photograph: Image.Image, encoder: Encoder) -> list[Stage]:
    """Time what happens to one JPEG of a megapixel: decode, prepare, forward, search."""
    packed = io.BytesIO()
    ImageOps.fit(photograph.convert("RGB"), _MEGAPIXEL).save(packed, "JPEG", quality=90)
    data = packed.getvalue()
    image = decode(data, limits=_LIMITS, least_px=_TILE_PX)
    crop = prepare(image)[None]
    query = encoder.see(crop)[VISUAL]
    memory = np.random.default_rng(0).standard_normal((MEMORY, query.shape[1])).astype(np.float32)
    return [
        _stage("decode a JPEG of 1 MP", lambda: decode(data, limits=_LIMITS, least_px=_TILE_PX)),
        _stage("prepare it", lambda: prepare(image)),
        _stage("encode one crop", lambda: encoder.see(crop)),
        _stage(f"search {MEMORY:,} embeddings", lambda: memory @ query[0]),
    ]


def rates(scene: Scene, ways: Sequence[tuple[str, Reading]]) -> list[Rate]:
    """Count regions a second of each way for few and for many regions of one image."""
    height_px, width_px = scene.image.shape[:2]
    masks = [each.in_image(width_px, height_px) for each in scene.objects]
    boxes = [each.box for each in scene.objects]
    found = []
    for title, read in ways:
        for count in REGIONS:
            taken = _median_s(lambda: read(scene.image, boxes[:count], masks[:count]))  # noqa: B023
            found.append(Rate(title, count, count / taken))
    return found


def photograph(backgrounds: Manifest) -> Image.Image:
    """Return the first of the photographs."""
    with Image.open(backgrounds.file(backgrounds.rows[0])) as picture:
        return picture.convert("RGB")


def _stage(name: str, work: Callable[[], object]) -> Stage:
    taken = _times_s(work)
    return Stage(name, 1e3 * float(np.median(taken)), 1e3 * float(np.percentile(taken, 95)))


def _median_s(work: Callable[[], object]) -> float:
    return float(np.median(_times_s(work)))


def _times_s(work: Callable[[], object]) -> list[float]:
    work()  # the first time may build something
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken
