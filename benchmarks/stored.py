"""Pictures in a store, as the gateway lays them there."""

from __future__ import annotations

import hashlib

from fovea.kernel.v1 import image_pb2
from models.vision.images import inspect
from services.kernel.pictures import IMAGE_LIMITS
from services.runtime.object_store.ports import ObjectStore


def put(store: ObjectStore, data: bytes) -> image_pb2.ImageReference:
    """Store a picture, and return the reference to it."""
    header = inspect(data, limits=IMAGE_LIMITS)
    digest = hashlib.sha256(data).hexdigest()
    store.put(f"benchmark/images/{digest}", data)
    return image_pb2.ImageReference(
        digest=digest,
        key=f"benchmark/images/{digest}",
        media_type=header.media_type,
        size_bytes=len(data),
        width_px=header.width_px,
        height_px=header.height_px,
    )
