from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import Box, CollectionKey, EncodedExemplar, Mask, Region, RegionOrigin
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.milvus.rows import exemplar_of, in_slices, rows_of, tables_of, vector_of
from services.retrieval.adapters.milvus.schema import ALIVE, CHUNK_BYTES, row_key
from tests.fakes.exemplars import BIRDS, embedding, encoded

NORTH = embedding(0, 1)


def with_runs(count: int) -> EncodedExemplar:
    runs = np.random.default_rng(0).integers(0, 2**60, count)
    region = Region("r", Box(0, 0, 1, 1), RegionOrigin.CALLER, Mask(9, 9, tuple(int(run) for run in runs)))
    exemplar = encoded("a", "robin", [NORTH])
    return EncodedExemplar(replace(exemplar.exemplar, region=region), exemplar.embeddings)


@pytest.mark.parametrize("runs", [0, 3_000, 30_000])
def test_rows_give_back_what_was_taught(runs: int) -> None:
    taught = with_runs(runs)
    rows = rows_of(BIRDS, taught, offset=7, born=9)

    assert exemplar_of(rows.exemplar) == taught.exemplar
    assert all(len(chunk) <= CHUNK_BYTES for chunk in rows.exemplar["record"])
    assert tables_of(rows.exemplar) == (TableKey("visual", NORTH.encoder, 2),)
    np.testing.assert_array_equal(vector_of(rows.vectors[tables_of(rows.exemplar)[0]]), NORTH.vector)
    assert (rows.exemplar["born"], rows.exemplar["died"]) == (9, ALIVE)


def test_what_no_row_has_room_for_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="exemplar a takes"):
        rows_of(BIRDS, with_runs(1_500_000), offset=0, born=0)


def test_keys_order_as_ids_do() -> None:
    ids = ["0", "A", "a", "a-b", "a.b", "a0", "a:b", "aA", "a_b", "ab"]
    keys = [row_key(str(BIRDS), each, 5) for each in ids]

    assert sorted(ids) == [key.split("!")[1] for key in sorted(keys)]
    assert row_key(str(BIRDS), "a", 255) < row_key(str(BIRDS), "a", 256)


def test_collections_share_no_key() -> None:
    assert row_key(str(CollectionKey("a", "b")), "c", 0) != row_key(str(CollectionKey("a", "b-c")), "c", 0)


def test_large_rows_go_a_few_at_a_time() -> None:
    rows = [{"vector": np.zeros(250_000, np.float32)} for _ in range(20)]
    slices = list(in_slices(rows))

    assert sum(map(len, slices)) == 20
    assert max(map(len, slices)) == 9
    assert list(in_slices([])) == []
