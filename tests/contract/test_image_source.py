"""What every source of images of encoding must do. The fake and the real one both pass this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from services.encoding.ports import ImageSource
from services.kernel.errors import NotFound
from services.runtime.stored_images import StoredImages
from tests.fakes.encoded import IMAGE, PICTURE, reference
from tests.fakes.encoding import InMemoryImages
from tests.fakes.object_store import InMemoryStore


def stored() -> StoredImages:
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    return StoredImages(store)


SOURCES: Mapping[str, Callable[[], ImageSource]] = {
    "fake": lambda: InMemoryImages({IMAGE.key: PICTURE}),
    "object store": stored,
}


@pytest.fixture(params=SOURCES)
def images(request: pytest.FixtureRequest) -> ImageSource:
    return SOURCES[request.param]()


def test_the_bytes_come_back_as_they_were(images: ImageSource) -> None:
    assert images.read(IMAGE) == PICTURE


def test_an_image_that_is_not_there_is_not_found(images: ImageSource) -> None:
    with pytest.raises(NotFound):
        images.read(reference(b"elsewhere"))
