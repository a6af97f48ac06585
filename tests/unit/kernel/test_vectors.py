from __future__ import annotations

import numpy as np

from services.kernel.vectors import Vectors


def test_a_vector_does_not_keep_its_batch_alive() -> None:
    vectors = Vectors(np.eye(3, dtype=np.float32), encoder="e@1", space="visual")

    embedding = vectors.row(1)

    assert embedding.vector.tolist() == [0, 1, 0]
    assert (embedding.encoder, embedding.space) == ("e@1", "visual")
    assert embedding.vector.base is None
