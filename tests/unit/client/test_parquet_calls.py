"""A memory to a file and back, over a real gRPC server."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpc import StatusCode

import fovea
from fovea.client import InvalidInput, Overloaded
from tests.fakes.gateway_server import FakeServer
from tests.fakes.parquet import OURS, file, table
from tests.fakes.script import Trouble

LABELS = [f"class {number}" for number in range(5)]


def _taught(client: fovea.Client) -> None:
    assert all(not each.failed for each in client.teach(map(fovea.Lesson, LABELS)))


def test_what_was_exported_is_imported_with_its_ids(
    client: fovea.Client, server: FakeServer, tmp_path: Path
) -> None:
    _taught(client)
    kept = dict(server.memory.exemplars)
    shown: list[tuple[int, int]] = []
    assert client.export_parquet(tmp_path / "a.parquet", shown=lambda *done: shown.append(done)) == 5
    server.memory.exemplars.clear()

    found = list(client.import_parquet(tmp_path / "a.parquet", shown=lambda *done: shown.append(done)))

    assert server.memory.exemplars == kept
    assert [(each.row, each.failure) for each in found] == [(number, None) for number in range(1, 6)]
    assert {each.exemplar_id for each in found} == set(kept)
    assert shown == [(5, 5)] + [(number, 5) for number in range(1, 6)]


def test_an_export_holds_what_its_client_taught(
    client: fovea.Client, server: FakeServer, tmp_path: Path
) -> None:
    _taught(client)
    client.export_parquet(tmp_path / "a.parquet")

    (request,) = server.script.requests["ListLabels"]
    assert request.min_memory_version == "v5"


def test_later_calls_see_what_was_imported(client: fovea.Client, server: FakeServer, tmp_path: Path) -> None:
    last = list(client.import_parquet(file(tmp_path, table()), vectors=OURS))[-1]
    client.labels()

    (request,) = server.script.requests["ListLabels"]
    assert request.min_memory_version == last.memory_version


def test_a_bad_row_is_an_answer_and_the_rest_goes_on(client: fovea.Client, tmp_path: Path) -> None:
    vectors = [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    found = list(
        client.import_parquet(file(tmp_path, table(label=["a", "b", "c"], vector=vectors)), vectors=OURS)
    )

    assert [each.failure is None for each in found] == [True, False, True]
    assert found[1].failure is not None
    assert (found[1].failure.field, found[1].failure.reason) == ("vector", "ROW_INVALID")


def test_what_the_server_says_of_a_row_names_row_and_column(client: fovea.Client, tmp_path: Path) -> None:
    strange = fovea.VectorColumn("visual", "strange@1")
    first, _ = client.import_parquet(file(tmp_path, table()), vectors=strange)

    assert first.failure is not None
    assert first.failure.message == "row 1, column vector: strange does not run"
    assert (first.failure.field, first.failure.reason) == ("vector", "UNKNOWN_ENCODER")


def test_a_lost_connection_costs_no_row(client: fovea.Client, server: FakeServer, tmp_path: Path) -> None:
    server.script.plan("ImportExemplars", Trouble(StatusCode.UNAVAILABLE, "away", "", after_answers=3))
    ids = [f"e{number}" for number in range(9)]
    given = table(label=["a"] * 9, vector=[[1.0, 0.0]] * 9, exemplar_id=ids)

    found = list(client.import_parquet(file(tmp_path, given), vectors=OURS))

    assert [each.exemplar_id for each in found] == ids
    assert sorted(server.memory.exemplars) == ids


def test_damage_is_told_behind_the_rows_before_it(
    client: fovea.Client, server: FakeServer, tmp_path: Path
) -> None:
    ids = [str(number) for number in range(5000)]
    given = table(exemplar_id=ids, label=["a"] * 5000, vector=[[1.0, 0.0]] * 5000)
    path = file(tmp_path, given, row_group_size=1000, use_dictionary=False, write_page_checksum=True)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)

    with pytest.raises(InvalidInput, match=r"behind row \d{3,} cannot be read") as refused:
        list(client.import_parquet(path, vectors=OURS))

    assert refused.value.reason == "PARQUET_DAMAGED"
    assert len(server.memory.exemplars) > 500


def test_an_export_that_breaks_leaves_no_file(
    client: fovea.Client, server: FakeServer, tmp_path: Path
) -> None:
    _taught(client)
    server.script.plan(
        "ExportExemplars", Trouble(StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", after_answers=1)
    )

    with pytest.raises(Overloaded):
        client.export_parquet(tmp_path / "a.parquet")

    assert list(tmp_path.iterdir()) == []
