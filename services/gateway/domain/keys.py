"""Where things stand in the object store.

    {tenant}/images/{collection}/{digest}             an image that is kept, stored once
    {tenant}/passing/{collection}/{owner}/{digest}    an image that goes when its work has ended
    {tenant}/recognitions/{recognition}               a record, written once
    {tenant}/submissions/{submission}/{state}/{recognition}   how far one image of a batch is
    {tenant}/replays/{letter}                         that a dead letter was replayed
    {tenant}/payloads/{topic}/{digest}                `services.runtime.claim_check`

The second part never is a name that a user chose, so nothing of one kind lies under the prefix of another.
"""

from __future__ import annotations

from services.kernel.vocabulary import CollectionKey

_PASSING = "passing"


def images(collection: CollectionKey) -> str:
    """Return the prefix of the images that a collection keeps."""
    return f"{collection.tenant}/images/{collection.collection}/"


def passing_images(collection: CollectionKey) -> str:
    """Return the prefix of the images that a collection does not keep."""
    return f"{collection.tenant}/{_PASSING}/{collection.collection}/"


def image(collection: CollectionKey, digest: str) -> str:
    """Return the key of an image that is kept."""
    return images(collection) + digest


def passing_image(collection: CollectionKey, owner: str, digest: str) -> str:
    """Return the key of an image that goes when the work of `owner` has ended."""
    return f"{passing_images(collection)}{owner}/{digest}"


def is_passing(key: str) -> bool:
    """Whether the image is to go when its work has ended."""
    return key.split("/", 2)[1:2] == [_PASSING]


def recognition(tenant: str, recognition_id: str) -> str:
    """Return the key of a record."""
    return f"{tenant}/recognitions/{recognition_id}"


def markers(tenant: str, submission_id: str, state: str) -> str:
    """Return the prefix of a batch's images in one state: `accepted`, `completed` or `failed`."""
    return f"{tenant}/submissions/{submission_id}/{state}/"


def replays(tenant: str) -> str:
    """Return the prefix of the markers of dead letters that were replayed."""
    return f"{tenant}/replays/"
