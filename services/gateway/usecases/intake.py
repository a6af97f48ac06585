"""From what a caller asks to what can be worked on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from models.vision.images import ImageError, ImageLimits, inspect
from services.gateway.domain import keys
from services.gateway.domain.collections import (
    Collection,
    Retention,
    RetentionPolicy,
    unknown_collection,
)
from services.gateway.domain.options import effective_options
from services.gateway.domain.recognition import Accepted, Task
from services.gateway.ports import Collections, Images, Retriever
from services.gateway.usecases.exemplar_prompts import shown
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey, Envelope, ImageReference, RecognitionOptions

_IMAGE_LIMITS: Final = ImageLimits(LIMITS.image_bytes, LIMITS.image_pixels, LIMITS.image_side_px)


def require_collection(collections: Collections, key: CollectionKey) -> Collection:
    """Return the collection. Raises NotFound, naming what makes one."""
    collection = collections.find(key)
    if collection is None:
        raise unknown_collection(key)
    return collection


def inspect_image(image: bytes, collection: Collection, *, owner: str) -> ImageReference:
    """Return a reference to an image that looks right from its header; it is not stored yet.

    Args:
        image: The encoded picture.
        collection: Says where it will stand.
        owner: Whose work an image belongs to that is not kept.

    Raises:
        InvalidInput: The field is `image`, the reason a code such as IMAGE_TOO_MANY_PIXELS.
    """
    try:
        header = inspect(image, limits=_IMAGE_LIMITS)
    except ImageError as error:
        raise InvalidInput(str(error), field="image", reason=error.reason) from error
    digest = hashlib.sha256(image).hexdigest()
    if collection.retention.policy is RetentionPolicy.NONE:
        key = keys.passing_image(collection.key, owner, digest)
    else:
        key = keys.image(collection.key, digest)
    return ImageReference(digest, key, header.media_type, len(image), header.width_px, header.height_px)


def store_image(images: Images, reference: ImageReference, image: bytes, retention: Retention) -> None:
    """Make the image durable; where days count, they count from the last time that it came."""
    images.store(reference.key, image, renew=retention.policy is RetentionPolicy.DAYS)


def drop_passing_image(images: Images, reference: ImageReference) -> None:
    """Delete the image unless its collection keeps it."""
    if keys.is_passing(reference.key):
        images.delete(reference.key)


class Intake:
    """Checks a task and completes it; nothing is stored.

    Args:
        collections: Those that there are.
        retriever: Knows what exemplars look like.
        shipped: Options that apply where neither caller nor collection says anything.
        clock: Gives seconds since the epoch.
        new_id: Gives an id that nobody has.
    """

    def __init__(
        self,
        collections: Collections,
        retriever: Retriever,
        *,
        shipped: RecognitionOptions,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._collections = collections
        self._retriever = retriever
        self._shipped = shipped
        self._clock = clock
        self._new_id = new_id

    @property
    def shipped(self) -> RecognitionOptions:
        """The options that apply where nobody says anything."""
        return self._shipped

    def __call__(self, task: Task) -> Accepted:
        """Return the task as its envelope will travel. Raises InvalidInput, NotFound."""
        collection = require_collection(self._collections, task.collection)
        recognition_id = task.recognition_id or self._new_id()
        # Two calls with one id may run at a time: one must not delete the other's image when it ends.
        owner = recognition_id if task.submission_id else self._new_id()
        envelope = Envelope(
            collection=task.collection,
            recognition_id=recognition_id,
            image=inspect_image(task.image, collection, owner=owner),
            options=effective_options(task.options, collection, self._shipped),
            submission_id=task.submission_id,
            accepted_at_s=self._clock(),
            trace_id=task.trace_id,
        )
        return Accepted(envelope, task.options, collection.retention)

    def with_pictures(self, envelope: Envelope) -> Envelope:
        """Return the envelope with what its exemplar prompts look like. Raises InvalidInput, NotFound."""
        options = shown(envelope.options, envelope.collection, self._retriever)
        return replace(envelope, options=options)
