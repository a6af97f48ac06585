"""What was written and read back answers as before: the same exemplars with the same similarities."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from services.kernel.vocabulary import Embedding
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.parameters import IndexParameters, MergeParameters, Parameters
from services.retrieval.domain import Scope
from tests.fakes.exemplars import BIRDS, ENCODER, encoded

EXACT = Parameters()
APPROXIMATE = Parameters(
    index=IndexParameters(exact_rows=300, rows=250, held_out=60, gathered_bytes=1 << 11),
    merge=MergeParameters(most_rows=2_000),
)
Answers = list[list[tuple[str, float]]]


def drawn(count: int, *, seed: int) -> list[Embedding]:
    rows = np.random.default_rng(seed).standard_normal((count, 64)) * np.linspace(1, 0.05, 64)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return [Embedding(row, ENCODER, "visual") for row in rows]


def taught(folder: Path, parameters: Parameters, count: int = 600) -> SegmentedIndex:
    index = SegmentedIndex(folder, parameters)
    changes = list(map(change, range(count), drawn(count, seed=1)))
    for first in range(0, count, count // 3):
        index.apply(changes[first : first + count // 3], {0: first + 1})
        index.flush()
    settle(index)
    return index


def change(number: int, vector: Embedding) -> Change:
    name = f"x{number:04}"
    return Change(BIRDS, name, encoded(name, f"label {number % 9}", [vector]))


def settle(index: SegmentedIndex) -> None:
    while index.maintain():
        pass


def answers(index: SegmentedIndex) -> Answers:
    found = index.view(BIRDS).nearest(drawn(40, seed=2), most=20, scope=Scope())
    return [[(hit.exemplar.exemplar_id, hit.similarity) for hit in each.hits] for each in found]


@pytest.mark.parametrize(("parameters", "kind"), [(EXACT, "exact"), (APPROXIMATE, "rabitq")])
def test_a_memory_that_is_opened_again_answers_exactly_as_before(
    tmp_path: Path, parameters: Parameters, kind: str
) -> None:
    index = taught(tmp_path, parameters)
    assert index.statistics().indexed == {kind: 600}
    before = answers(index)

    again = SegmentedIndex(tmp_path, parameters)
    again.restore(index.flush())

    assert again.statistics().indexed == {kind: 600}
    assert answers(again) == before


def test_merging_changes_no_exact_answer(tmp_path: Path) -> None:
    index = SegmentedIndex(tmp_path, Parameters(merge=MergeParameters(few_rows=2)))
    changes = list(map(change, range(300), drawn(300, seed=1)))
    for first in range(0, 300, 30):
        index.apply(changes[first : first + 30], {0: first + 30})
        index.flush()
    index.apply([Change(BIRDS, f"x{number:04}", None) for number in range(0, 300, 2)], {0: 301})
    before, segments = answers(index), index.statistics().segments

    settle(index)

    assert answers(index) == before
    assert index.statistics().segments < segments
    assert not {name for found in before for name, _ in found if int(name[1:]) % 2 == 0}


def test_recall_is_told_when_an_index_is_built(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        taught(tmp_path, APPROXIMATE)

    (said,) = {each.getMessage() for each in caplog.records if each.name.endswith("rabitq")}
    assert said.startswith("indexed 600 vectors; recall of vectors that were held out: ")
    assert " at 10" in said


def test_exact_and_approximate_answer_through_one_interface_and_size_decides(tmp_path: Path) -> None:
    exact, approximate = tmp_path / "exact", tmp_path / "approximate"
    small, large = taught(exact, EXACT), taught(approximate, APPROXIMATE)
    assert small.statistics().indexed.keys() == {"exact"}
    assert large.statistics().indexed.keys() == {"rabitq"}

    pairs = zip(answers(small), answers(large), strict=True)
    found = [len({*true} & {*proposed}) / len(true) for true, proposed in pairs]

    assert np.mean(found) > 0.9
    queries = drawn(40, seed=2)
    view = large.view(BIRDS)
    compared = view.compare_all(queries, most=20, scope=Scope())
    assert [
        [(hit.exemplar.exemplar_id, hit.similarity) for hit in each.hits] for each in compared
    ] == answers(small)
