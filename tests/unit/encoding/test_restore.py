"""Exemplars that come with their embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Embedding, EncodedExemplar, Exemplar, ExemplarKind
from tests.fakes.encoded import FakeEncoding

WREN = Exemplar("e1", "wren", ExemplarKind.NAME, text="wren")


def vector(size: int) -> np.ndarray:
    north: np.ndarray = np.eye(1, size, dtype=np.float32)[0]
    return north


SEEN = Embedding(vector(3), "colours@1", "visual")
READ = Embedding(vector(32), "letters@1", "name")


def test_an_exemplar_is_taken_as_it_comes() -> None:
    kept = EncodedExemplar(WREN, (SEEN, READ))

    assert FakeEncoding().restore(kept) is kept


@pytest.mark.parametrize(
    ("embeddings", "reason"),
    [
        ((), "EMBEDDINGS_MISSING"),
        ((READ, READ), "EMBEDDING_REPEATED"),
        ((SEEN, Embedding(vector(32), "letters@2", "name")), "UNKNOWN_ENCODER"),
        ((Embedding(vector(3), "colours@1", "name"),), "UNKNOWN_ENCODER"),
        ((Embedding(vector(3), "bridge@1", "name"),), "UNKNOWN_ENCODER"),
        ((Embedding(vector(4), "colours@1", "visual"),), "DIMENSION_MISMATCH"),
    ],
)
def test_embeddings_that_nobody_here_could_have_made_are_refused(
    embeddings: tuple[Embedding, ...], reason: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        FakeEncoding().restore(EncodedExemplar(WREN, embeddings))

    assert (caught.value.field, caught.value.reason) == ("embeddings", reason)


def test_an_unknown_encoder_is_told_which_ones_run() -> None:
    with pytest.raises(InvalidInput, match="those that do: colours@1 of space visual; letters@1 of space na"):
        FakeEncoding().restore(EncodedExemplar(WREN, (Embedding(vector(3), "else@1", "visual"),)))


def test_the_models_are_asked_once_and_again_when_they_change() -> None:
    encoding = FakeEncoding()
    encoding.restore(EncodedExemplar(WREN, (SEEN,)))
    encoding.restore(EncodedExemplar(WREN, (SEEN,)))
    assert encoding.eyes.batches == [1]

    encoding.eyes.identities = ("colours@2", "bridge@1")

    with pytest.raises(InvalidInput, match="colours@2"):
        encoding.restore(EncodedExemplar(WREN, (SEEN,)))
