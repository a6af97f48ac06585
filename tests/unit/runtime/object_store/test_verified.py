from __future__ import annotations

import hashlib

import pytest

from services.kernel.errors import Corrupt, NotFound
from services.runtime.object_store.verified import read_verified
from tests.fakes.object_store import InMemoryStore

DIGEST = hashlib.sha256(b"pixels").hexdigest()


def test_bytes_with_the_right_digest_are_returned() -> None:
    store = InMemoryStore()
    store.put("a", b"pixels")

    assert read_verified(store, "a", DIGEST) == b"pixels"
    assert read_verified(store, "a", DIGEST.upper()) == b"pixels"


def test_other_bytes_are_corrupt() -> None:
    store = InMemoryStore()
    store.put("a", b"pixelz")

    with pytest.raises(Corrupt, match=DIGEST):
        read_verified(store, "a", DIGEST)


def test_missing_bytes_are_not_found() -> None:
    with pytest.raises(NotFound):
        read_verified(InMemoryStore(), "a", DIGEST)
