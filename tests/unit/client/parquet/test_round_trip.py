"""What is written is read again, whatever it is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fovea.client.parquet.layout import About, read_about
from fovea.client.parquet.reading import FileReader
from fovea.client.parquet.writing import Encoded, write_exemplars
from services.kernel.vocabulary import AttributeValue, Embedding, EncodedExemplar, Exemplar, ExemplarKind
from services.runtime.codec.exemplar import write_encoded_exemplar
from tests.fakes.exemplars import embedding
from tests.unit.runtime.codec.strategies import embeddings, exemplars

ABOUT = About("acme/birds", "v1.0-7", {})


def _source(each: Embedding) -> tuple[str, str]:
    return each.space, each.encoder


encoded = st.builds(
    EncodedExemplar,
    exemplars,
    st.lists(embeddings(), min_size=1, max_size=3, unique_by=_source).map(tuple),
).map(write_encoded_exemplar)


def plain(label: str, *kept: Embedding) -> Encoded:
    return write_encoded_exemplar(EncodedExemplar(Exemplar(label, label, ExemplarKind.IMAGE), kept))


def written(path: Path, given: Sequence[Encoded], *, group_rows: int = 4096) -> Path:
    assert write_exemplars(
        path / "a.parquet", given, ABOUT, shown=lambda _: None, group_rows=group_rows
    ) == len(given)
    return path / "a.parquet"


def read(path: Path) -> list[Encoded]:
    rows = list(FileReader(path))
    assert [row.error for row in rows if row.error] == []
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    return [row.exemplar for row in rows if row.exemplar]


def comparable(exemplar: Encoded) -> Encoded:
    """Return it without what means nothing elsewhere, and with its embeddings in order."""
    copy = Encoded(exemplar=exemplar.exemplar)
    if copy.exemplar.HasField("image"):
        copy.exemplar.image.key = ""
    if copy.exemplar.HasField("region"):
        copy.exemplar.region.ClearField("found_by")  # counts the prompts of a request
    copy.embeddings.extend(sorted(exemplar.embeddings, key=lambda each: (each.space, each.encoder)))
    return copy


@given(st.lists(encoded, max_size=8), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_every_exemplar_comes_back_as_it_was(given: list[Encoded], group_rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = read(written(Path(folder), given, group_rows=group_rows))

    assert list(map(comparable, found)) == list(map(comparable, given))


def test_texts_numbers_and_flags_keep_their_type(tmp_path: Path) -> None:
    attributes: dict[str, AttributeValue] = {
        "year": 1.0,
        "wild": True,
        "code": "1",
        "tame": False,
        "word": "true",
    }
    kept = EncodedExemplar(Exemplar("e", "wren", ExemplarKind.IMAGE, attributes), (embedding(1, 0),))

    (found,) = read(written(tmp_path, [write_encoded_exemplar(kept)]))

    kinds = {name: value.WhichOneof("kind") for name, value in found.exemplar.attributes.items()}
    assert kinds == {"year": "number", "wild": "flag", "code": "text", "tame": "flag", "word": "text"}


def test_each_encoder_has_a_column_of_vectors_of_one_length(tmp_path: Path) -> None:
    second = embedding(1, 0, 0, encoder="other@2")
    path = written(tmp_path, [plain("a", embedding(1, 0)), plain("b", embedding(0, 1), second)])

    with pq.ParquetFile(path) as file:
        types = {field.name: str(field.type) for field in file.schema_arrow}
        about = read_about(file.metadata.metadata)

    assert types["embedding_visual"] == types["embedding_visual_2"] == "list<element: float>"
    assert about is not None
    assert (about.collection, about.memory_version) == ("acme/birds", "v1.0-7")
    assert about.sources["embedding_visual_2"][:2] == ("visual", "other@2")


def test_an_encoder_that_is_seen_late_gets_its_column_and_no_row_is_lost(tmp_path: Path) -> None:
    late = embedding(1, 0, 0, encoder="late@1", space="name")
    given = [plain(f"a{i}", embedding(1, 0)) for i in range(5)] + [plain("b", late)]

    path = written(tmp_path, given, group_rows=2)

    assert read(path) == given
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]  # the parts are gone


def test_an_empty_memory_is_a_file_without_rows(tmp_path: Path) -> None:
    with pq.ParquetFile(written(tmp_path, [])) as file:
        assert file.metadata.num_rows == 0
        assert "label" in file.schema_arrow.names


def test_an_export_that_breaks_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, [plain("a", embedding(1, 0))])
    before = path.read_bytes()

    def broken() -> Sequence[Encoded]:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write_exemplars(path, (each for _ in [1] for each in broken()), ABOUT, shown=lambda _: None)

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
