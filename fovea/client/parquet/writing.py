"""Exemplars as they come, to a Parquet file that is there when it is complete, or not at all."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from fovea.client.parquet.layout import FIELDS, VECTOR, About, Source
from fovea.kernel.v1 import exemplar_pb2, region_pb2

ROW_GROUP: Final = 4096
"""Rows that are in memory at a time: some 30 MB with 1,280 numbers each."""
_FLOAT_BYTES: Final = 4

Encoded = exemplar_pb2.EncodedExemplar


def write_exemplars(
    path: Path,
    exemplars: Iterable[Encoded],
    about: About,
    *,
    shown: Callable[[int], None],
    group_rows: int = ROW_GROUP,
) -> int:
    """Write every exemplar, and return how many there were.

    Args:
        path: Replaced at the end.
        exemplars: Read as they are written; few are in memory.
        about: What the file is to say of itself; its columns of vectors are found here.
        shown: Told how many rows are written so far.
        group_rows: How many are in memory at a time, and in one row group.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        parts = _Parts(Path(folder))
        written = 0
        for group in _groups(exemplars, group_rows):
            parts.write(group)
            written += len(group)
            shown(written)
        whole = parts.finish(about)
        whole.chmod(0o644)
        whole.replace(path)
    return written


def _groups(exemplars: Iterable[Encoded], rows: int) -> Iterator[Sequence[Encoded]]:
    source = iter(exemplars)
    while group := list(itertools.islice(source, rows)):
        yield group


class _Parts:
    """A file; a new one whenever an encoder is first seen, since a Parquet file cannot get another column."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._columns: dict[str, Source] = {}
        self._paths: list[Path] = []
        self._begin()

    def write(self, group: Sequence[Encoded]) -> None:
        """Write one row group."""
        seen = {_source(each): None for exemplar in group for each in exemplar.embeddings}  # in order
        if new := [each for each in seen if each not in self._columns.values()]:
            self._writer.close()
            self._columns |= _named(new, self._columns)
            self._begin()
        self._writer.write_batch(_batch(group, self._columns, self._schema))

    def finish(self, about: About) -> Path:
        """Return the one file that holds all parts."""
        about = replace(about, sources=self._columns)
        if len(self._paths) > 1:
            self._writer.close()
            parts = [path for path in self._paths if path.exists()]
            self._begin()
            for part in parts:
                self._take(part)
        self._writer.add_key_value_metadata(about.written())
        self._writer.close()
        return self._paths[-1]

    def _begin(self) -> None:
        vectors = [pa.field(name, VECTOR) for name in self._columns]
        self._schema = pa.schema([*FIELDS, *vectors])
        self._paths.append(self._folder / f"{len(self._paths)}.parquet")
        self._writer = pq.ParquetWriter(
            self._paths[-1],
            self._schema,
            compression="zstd",
            use_dictionary=[leaf for field in FIELDS for leaf in _texts(field.name, field.type)],
            write_statistics=["exemplar_id", "label", "kind"],
            write_page_checksum=True,
        )

    def _take(self, part: Path) -> None:
        """Copy a part that has fewer columns of vectors."""
        with pq.ParquetFile(part) as file:
            for number in range(file.num_row_groups):
                group = file.read_row_group(number)
                missing = [field for field in self._schema if field.name not in group.schema.names]
                for field in missing:
                    group = group.append_column(field, pa.nulls(len(group), field.type))
                self._writer.write_table(group.select(self._schema.names), row_group_size=ROW_GROUP)
        part.unlink()


def _source(embedding: Any) -> Source:
    return Source(embedding.space, embedding.encoder, len(embedding.vector) // _FLOAT_BYTES)


def _named(new: Sequence[Source], known: Mapping[str, Source]) -> dict[str, Source]:
    """Return names for columns: `embedding_visual`, and `embedding_visual_2` for a second encoder."""
    named: dict[str, Source] = {}
    for each in new:
        plain = f"embedding_{each.space}"
        numbered = (f"{plain}_{number}" for number in itertools.count(2))
        names = itertools.chain([plain], numbered)
        named[next(name for name in names if name not in known and name not in named)] = each
    return named


def _batch(group: Sequence[Encoded], columns: dict[str, Source], schema: Any) -> Any:
    rows = [_row(each.exemplar) for each in group]
    plain = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(FIELDS)]
    return pa.record_batch([*plain, *(_vectors(group, each) for each in columns.values())], schema=schema)


def _row(exemplar: exemplar_pb2.Exemplar) -> tuple[Any, ...]:
    """Return the plain columns of one row, in the order of FIELDS."""
    return (
        exemplar.exemplar_id,
        exemplar.label,
        exemplar_pb2.ExemplarKind.Name(exemplar.kind).removeprefix("EXEMPLAR_KIND_").lower(),
        exemplar.text or None,
        [(name, _value(exemplar.attributes[name])) for name in sorted(exemplar.attributes)],
        _image(exemplar) if exemplar.HasField("image") else None,
        _region(exemplar.region) if exemplar.HasField("region") else None,
    )


def _value(value: exemplar_pb2.AttributeValue) -> dict[str, Any]:
    kind = value.WhichOneof("kind")
    return {kind: getattr(value, kind)} if kind else {}


def _image(exemplar: exemplar_pb2.Exemplar) -> dict[str, Any]:
    """Return which picture it was; where it lies means nothing elsewhere."""
    image = exemplar.image
    return {
        "digest": image.digest,
        "media_type": image.media_type,
        "size_bytes": image.size_bytes,
        "width_px": image.width_px,
        "height_px": image.height_px,
    }


def _region(region: region_pb2.Region) -> dict[str, Any]:
    box, mask = region.box, region.mask
    drawn = {"height_px": mask.height_px, "width_px": mask.width_px, "counts": list(mask.counts)}
    return {
        "region_id": region.region_id,
        "left": box.left,
        "top": box.top,
        "right": box.right,
        "bottom": box.bottom,
        "origin": region_pb2.RegionOrigin.Name(region.origin).removeprefix("REGION_ORIGIN_").lower(),
        "mask": drawn if region.HasField("mask") else None,
    }


def _vectors(group: Sequence[Encoded], source: Source) -> Any:
    """Return one column of vectors; their bytes are not looked at."""
    found = [_vector(each, source) for each in group]
    values = b"".join(each for each in found if each is not None)
    ends = list(itertools.accumulate(0 if each is None else source.dimension for each in found))
    begins = [None if each is None else end - source.dimension for each, end in zip(found, ends, strict=True)]
    numbers = pa.Array.from_buffers(pa.float32(), len(values) // _FLOAT_BYTES, [None, pa.py_buffer(values)])
    return pa.ListArray.from_arrays(pa.array([*begins, *ends[-1:]], pa.int32()), numbers)


def _vector(exemplar: Encoded, source: Source) -> bytes | None:
    for each in exemplar.embeddings:
        if _source(each) == source:
            return each.vector
    return None


def _texts(field: str, wanted: Any) -> Sequence[str]:
    """Return the paths of the texts below a column, as Parquet names them."""
    if pa.types.is_string(wanted):
        return [field]
    if pa.types.is_map(wanted):
        return [f"{field}.key_value.key", *_texts(f"{field}.key_value.value", wanted.item_type)]
    if pa.types.is_struct(wanted):
        return [path for each in wanted for path in _texts(f"{field}.{each.name}", each.type)]
    return []
