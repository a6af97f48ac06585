"""Files that other tools write, and files that nobody should have written."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fovea.client import InvalidInput, Unsupported, VectorColumn
from fovea.client.parquet.reading import FileReader
from fovea.kernel.v1 import exemplar_pb2
from tests.fakes.parquet import OURS, errors, file, table


def read(path: Path, vectors: VectorColumn | None = OURS) -> list[exemplar_pb2.EncodedExemplar]:
    rows = list(FileReader(path, vectors))
    assert [row.error for row in rows if row.error] == []
    return [row.exemplar for row in rows if row.exemplar]


def test_labels_and_vectors_are_enough(tmp_path: Path) -> None:
    found = read(file(tmp_path, table()))

    assert [(each.exemplar.label, each.exemplar.exemplar_id) for each in found] == [
        ("wren", ""),
        ("robin", ""),
    ]
    assert {each.exemplar.kind for each in found} == {exemplar_pb2.EXEMPLAR_KIND_IMAGE}
    (embedding,) = found[0].embeddings
    assert (embedding.space, embedding.encoder) == ("visual", "colours@1")
    assert struct.unpack("<2f", embedding.vector) == pytest.approx((0.6, 0.8))


def test_vectors_in_the_space_of_names_are_names(tmp_path: Path) -> None:
    (first, _) = read(file(tmp_path, table()), VectorColumn("name", "letters@1"))

    assert (first.exemplar.kind, first.exemplar.text) == (exemplar_pb2.EXEMPLAR_KIND_NAME, "wren")


def test_vectors_of_any_length_are_normalised(tmp_path: Path) -> None:
    (first, _) = read(file(tmp_path, table(vector=[[3.0, 4.0], [1.0, 0.0]])))

    assert struct.unpack("<2f", first.embeddings[0].vector) == pytest.approx((0.6, 0.8))


@pytest.mark.parametrize(
    "type_",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float32(), 2),
        pa.list_(pa.float16(), 2),
        pa.list_(pa.int64(), 2),
    ],
)
def test_a_vector_may_be_any_sort_of_list_of_numbers(tmp_path: Path, type_: Any) -> None:
    first, second = read(file(tmp_path, table(vector=pa.array([[1, 0], [0, 1]], type_))))

    assert first.embeddings[0].vector == struct.pack("<2f", 1, 0)
    assert second.embeddings[0].vector == struct.pack("<2f", 0, 1)


def test_a_row_without_a_vector_does_not_move_those_behind_it(tmp_path: Path) -> None:
    vectors = [[1.0, 0.0], None, [0.0, 1.0]]
    rows = list(FileReader(file(tmp_path, table(label=["a", "b", "c"], vector=vectors)), OURS))

    assert rows[1].exemplar is None
    assert rows[2].exemplar is not None
    assert rows[2].exemplar.embeddings[0].vector == struct.pack("<2f", 0, 1)


def test_labels_behind_a_dictionary_are_read(tmp_path: Path) -> None:
    labels = pa.array(["wren", "wren"]).dictionary_encode()

    assert [each.exemplar.label for each in read(file(tmp_path, table(label=labels)))] == ["wren", "wren"]


def test_a_struct_may_hold_more_and_less_than_ours(tmp_path: Path) -> None:
    images = [{"digest": "ab" * 32, "url": "https://example.org/1.jpg"}, None]

    first, second = read(file(tmp_path, table(image=images)))

    assert first.exemplar.image.digest == "ab" * 32
    assert not second.exemplar.HasField("image")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"label": ["wren", None]}, "row 2, column label: is missing"),
        ({"kind": ["image", "smell"]}, "row 2, column kind: is 'smell', not one of image, name, attribute"),
        ({"vector": [[1.0, 0.0], [1.0]]}, "row 2, column vector: has 1 numbers, the first vector 2"),
        ({"vector": [[1.0, 0.0], []]}, "row 2, column vector: is empty"),
        ({"vector": [[1.0, 0.0], None]}, "row 2, column vector: no vector is there"),
        ({"vector": [[1.0, 0.0], [None, 1.0]]}, "row 2, column vector: has a null among its numbers"),
        ({"vector": [[1.0, 0.0], [0.0, 0.0]]}, "row 2, column vector: has length 0.0: look for zeros"),
        ({"vector": [[1.0, 0.0], [float("nan"), 1.0]]}, "row 2, column vector: has length nan"),
        ({"vector": [[1.0, 0.0], [float("inf"), 1.0]]}, "row 2, column vector: has length inf"),
        ({"vector": [[1.0, 0.0], [1e300, 1.0]]}, "row 2, column vector: has length inf"),
        ({"region": [None, {"left": 0.0, "top": 1.0}]}, "row 2, column region: right is missing"),
        ({"image": [None, {"digest": "a", "width_px": -1}]}, "row 2, column image: Value out of range: -1"),
        (
            {
                "attributes": pa.array(
                    [None, [("sex", {"text": "male", "flag": True})]],
                    pa.map_(pa.string(), pa.struct([("text", pa.string()), ("flag", pa.bool_())])),
                )
            },
            "row 2, column attributes: attribute 'sex' must have one of text, number and flag",
        ),
    ],
)
def test_what_is_wrong_with_a_row_names_row_and_column_and_the_rest_goes_on(
    tmp_path: Path, columns: dict[str, Any], problem: str
) -> None:
    first, second = errors(file(tmp_path, table(**columns)))

    assert first == ""
    assert second.startswith(problem)


@pytest.mark.parametrize(
    ("columns", "reason", "problem"),
    [
        ({"label": None}, "COLUMN_MISSING", "column label is there 0 times; the file has vector"),
        ({"vector": None}, "COLUMN_MISSING", "column vector is there 0 times; the file has label"),
        ({"label": [1, 2]}, "COLUMN_TYPE", "column label has type int64, not string"),
        ({"vector": [1.0, 2.0]}, "COLUMN_TYPE", "column vector has type double, not list"),
        ({"vector": ["a", "b"]}, "COLUMN_TYPE", "column vector has type string"),
        ({"vector": [["a"], ["b"]]}, "COLUMN_TYPE", "column vector has type list<element: string>"),
        ({"attributes": ["a", "b"]}, "COLUMN_TYPE", "column attributes has type string, not map"),
        ({"region": [{"left": "a"}, None]}, "COLUMN_TYPE", "column region has type struct"),
        ({"exemplar_id": [b"\xff", b"b"]}, "COLUMN_TYPE", "column exemplar_id has type binary, not string"),
    ],
)
def test_a_file_with_other_columns_is_refused(
    tmp_path: Path, columns: dict[str, Any], reason: str, problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        FileReader(file(tmp_path, table(**columns)), OURS)

    assert refused.value.reason == reason


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.table([["a"], ["b"], [[1.0]]], names=["label", "label", "vector"])

    with pytest.raises(InvalidInput, match="column label is there 2 times"):
        FileReader(file(tmp_path, twice), OURS)


def test_texts_that_are_no_unicode_are_damage(tmp_path: Path) -> None:
    labels = pa.array([b"wren", b"\xff\xfe"]).view(pa.string())

    with pytest.raises(InvalidInput, match="what is behind row 0 cannot be read") as refused:
        errors(file(tmp_path, table(label=labels)))

    assert refused.value.reason == "PARQUET_DAMAGED"


def test_a_file_that_does_not_say_who_made_its_vectors_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--encoder NAME@DIGEST") as refused:
        FileReader(file(tmp_path, table()))

    assert refused.value.reason == "PARQUET_ENCODER_UNKNOWN"


@pytest.mark.parametrize(
    ("metadata", "kind", "reason"),
    [
        ({"fovea.format": "2"}, Unsupported, "PARQUET_FORMAT"),
        ({"fovea.format": "1"}, InvalidInput, "PARQUET_METADATA"),
        ({"fovea.format": "1", "fovea.embeddings": "{"}, InvalidInput, "PARQUET_METADATA"),
        ({"fovea.format": "1", "fovea.embeddings": "[" * 100_000}, InvalidInput, "PARQUET_METADATA"),
        ({"fovea.format": "1", "fovea.embeddings": "[1]"}, InvalidInput, "PARQUET_METADATA"),
        ({"fovea.format": "1", "fovea.embeddings": "[]"}, InvalidInput, "PARQUET_ENCODER_UNKNOWN"),
        (
            {
                "fovea.format": "1",
                "fovea.embeddings": json.dumps([{"column": "gone", "space": "visual", "encoder": "a@1"}]),
            },
            InvalidInput,
            "COLUMN_MISSING",
        ),
    ],
)
def test_metadata_that_contradicts_itself_is_refused(
    tmp_path: Path, metadata: dict[str, str], kind: type[Exception], reason: str
) -> None:
    path = file(tmp_path, table().replace_schema_metadata(metadata))

    with pytest.raises(kind) as refused:
        FileReader(path)

    assert getattr(refused.value, "reason", "") == reason


def test_a_row_group_of_any_size_is_read_bit_by_bit(tmp_path: Path) -> None:
    rows = 20_000
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([0.5] * (rows * 256), pa.float32()), 256)
    path = file(
        tmp_path,
        table(label=["wren"] * rows, vector=vectors),
        row_group_size=rows,
        compression="none",
        use_dictionary=False,
    )  # 20 MB in one piece
    del vectors
    before = pa.total_allocated_bytes()

    reader = iter(FileReader(path, OURS))
    next(reader)

    assert pa.total_allocated_bytes() - before < 8_000_000
