"""Files that end whoever reads them."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pyarrow as pa
import pytest

from fovea.client import FoveaError, InvalidInput
from fovea.client.parquet.guarded import ExemplarFile
from fovea.client.parquet.reading import FileReader
from tests.fakes.parquet import OURS, file, table


def test_rows_and_their_errors_come_through_as_they_are(tmp_path: Path) -> None:
    path = file(tmp_path, table(vector=[[1.0, 0.0], [0.0, 0.0]]))
    direct = list(FileReader(path, OURS))

    with ExemplarFile(path, OURS) as guarded:
        found = list(guarded)

    assert guarded.rows == 2
    assert [(row.number, row.exemplar, list(row.columns)) for row in found] == [
        (row.number, row.exemplar, list(row.columns)) for row in direct
    ]
    assert direct[1].error is not None
    assert found[1].error is not None
    assert (found[1].error.message, found[1].error.reason) == (
        direct[1].error.message,
        direct[1].error.reason,
    )


def test_a_file_that_is_not_there_is_an_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        ExemplarFile(tmp_path / "none.parquet")

    assert refused.value.filename == str(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"label,vector\nwren,1\n", b"PAR1" + b"\xff" * 100 + b"PAR1"]
)
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)

    with pytest.raises(InvalidInput, match="damaged or no Parquet file") as refused:
        ExemplarFile(tmp_path / "a.parquet")

    assert refused.value.reason == "PARQUET_DAMAGED"


def test_a_few_kilobytes_that_become_gigabytes_end_the_reader_and_nobody_else(tmp_path: Path) -> None:
    word = pa.array(["x" * 50_000_000])
    labels = pa.DictionaryArray.from_arrays(pa.array([0] * 512, pa.int32()), word)  # 25 GB when written out
    path = file(tmp_path, table(label=labels, vector=[[1.0, 0.0]] * 512), compression="zstd")
    assert path.stat().st_size < 200_000

    with pytest.raises(InvalidInput) as refused, ExemplarFile(path, OURS) as guarded:
        list(guarded)

    assert refused.value.reason == "PARQUET_DAMAGED"


def test_a_reader_that_dies_is_told_with_the_row_that_it_came_to(tmp_path: Path) -> None:
    path = file(tmp_path, table(label=["wren"] * 5000, vector=[[1.0, 0.0]] * 5000))

    guarded = ExemplarFile(path, OURS)
    rows = iter(guarded)
    next(rows)

    guarded._process.kill()
    with pytest.raises(InvalidInput, match=r"behind row .*its reader ended with -9") as refused:
        list(rows)
    guarded.close()

    assert refused.value.reason == "PARQUET_DAMAGED"


def test_a_damaged_file_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    path = file(tmp_path, table(), write_page_checksum=True)
    whole, chance = path.read_bytes(), random.Random(7)  # noqa: S311  (no secret)
    for _ in range(300):
        damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(2):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with contextlib.suppress(FoveaError):  # nothing else may come out
            rows = list(FileReader(path, OURS))
            assert [row.number for row in rows] == [1, 2]  # what was hit says nothing of the rows
