"""Vectors as others wrote them."""

from __future__ import annotations

import numpy as np
import pytest

from fovea.kernel.v1.embedding_pb2 import Embedding
from services.kernel.errors import InvalidInput
from services.runtime.codec.exemplar import read_embedding

SIGNALLING = np.array([0x7FA00000, 0], np.uint32).view(np.float32)
"""A NaN that processors complain of when they meet it."""


@pytest.mark.parametrize(
    "vector",
    [[0.0, 0.0], [0.6, 0.9], [6e19, 0.6], [np.inf, 0.0], [np.nan, 1.0], SIGNALLING],
    ids=["none", "long", "overflows", "infinite", "no number", "signalling"],
)
def test_a_vector_whose_length_is_not_one_is_refused_whatever_is_in_it(vector: list[float]) -> None:
    message = Embedding(vector=np.array(vector, "<f4").tobytes(), encoder="encoder-1", space="visual")

    with pytest.raises(InvalidInput) as caught:
        read_embedding(message, field="embeddings[0]")

    assert (caught.value.field, caught.value.reason) == ("embeddings[0].vector", "EMBEDDING_INVALID")


def test_a_vector_of_length_one_is_read_as_it_was_written() -> None:
    message = Embedding(vector=np.array([0.6, -0.8], "<f4").tobytes(), encoder="encoder-1", space="visual")

    found = read_embedding(message, field="embedding")

    assert found.vector.tolist() == pytest.approx([0.6, -0.8])
    assert (found.encoder, found.space) == ("encoder-1", "visual")
