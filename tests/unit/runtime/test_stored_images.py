import pytest

from services.kernel.errors import Corrupt
from services.runtime.stored_images import StoredImages
from tests.fakes.encoded import IMAGE
from tests.fakes.object_store import InMemoryStore


def test_bytes_that_are_not_those_of_the_digest_are_corrupt() -> None:
    store = InMemoryStore()
    store.put(IMAGE.key, b"something else")

    with pytest.raises(Corrupt):
        StoredImages(store).read(IMAGE)
