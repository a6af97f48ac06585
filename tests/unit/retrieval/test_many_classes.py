"""As many classes as the largest detection vocabulary has: 13,204."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.kernel.vocabulary import Embedding, RecognitionOptions, RegionEmbeddings, SpaceVote
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.usecases import ListLabels, Recall, Voting
from tests.fakes.exemplars import BIRDS, ENCODER, encoded
from tests.fakes.memory import RecordingMonitor

CLASSES = 13_204
DIM = 128
PARENTS = {f"class {number}": f"group {number % 1_000}" for number in range(CLASSES)}
VECTORS = np.random.default_rng(0).standard_normal((CLASSES, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def embedding(vector: np.ndarray) -> Embedding:
    return Embedding(np.asarray(vector, np.float32), ENCODER, "visual")


@pytest.fixture(scope="module")
def memory() -> Iterator[LogMemory]:
    with tempfile.TemporaryDirectory() as folder:
        index = SegmentedIndex(Path(folder))
        for first in range(0, CLASSES, 1_000):
            some = range(first, min(first + 1_000, CLASSES))
            index.apply(
                [
                    Change(BIRDS, f"x{n}", encoded(f"x{n}", f"class {n}", [embedding(VECTORS[n])]))
                    for n in some
                ],
                {0: some.stop},
            )
        index.flush()
        while index.maintain():
            pass
        assert index.statistics().indexed["rabitq"] > CLASSES / 2
        yield LogMemory(index, lambda *_: True, most_wait_s=1.0)


def test_each_of_13204_classes_is_listed_once(memory: LogMemory) -> None:
    listed = ListLabels(memory)(BIRDS, at_least="").exemplars

    assert len(listed) == CLASSES
    assert {count for _, count in listed} == {1}


def test_any_of_13204_classes_is_found_first_with_its_group_in_little_time(memory: LogMemory) -> None:
    vote = SpaceVote("visual", weight=1.0, temperature=0.07, reference=0.5)
    recall = Recall(
        memory,
        voting=Voting((vote,)),
        monitor=RecordingMonitor(),
        version="1",
        parents=lambda _: PARENTS,
    )
    asked = np.random.default_rng(1).integers(0, CLASSES, 100)
    began = time.process_time()

    for number in asked.tolist():
        query = VECTORS[number] + 0.02 * np.random.default_rng(number).standard_normal(DIM)
        region = RegionEmbeddings("0", (embedding(query / np.linalg.norm(query)),))
        (found,) = recall(BIRDS, [region], RecognitionOptions()).candidates
        assert found.candidates[0].label == f"class {number}"
        assert found.candidates[0].ancestors[0].label == f"group {number % 1_000}"
        assert len({each.label for each in found.candidates}) == 5

    assert (time.process_time() - began) / len(asked) < 0.1  # seconds of processor, some twenty times enough
