"""How a memory lies in a Parquet file.

One row is one exemplar. Each encoder has a column of its own, of vectors of one length, so that a table tool
sees a matrix; an exemplar without an embedding by that encoder has a null there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa

from fovea.client.errors import InvalidInput, Unsupported

FORMAT: Final = 1

_NUMBER = pa.float64()
_TEXT = pa.string()
VALUE: Final = pa.struct([("text", _TEXT), ("number", _NUMBER), ("flag", pa.bool_())])
"""The value of one attribute: one of the three, the others are null."""
IMAGE: Final = pa.struct(
    [
        ("digest", _TEXT),
        ("media_type", _TEXT),
        ("size_bytes", pa.uint64()),
        ("width_px", pa.uint32()),
        ("height_px", pa.uint32()),
    ]
)
MASK: Final = pa.struct(
    [("height_px", pa.uint32()), ("width_px", pa.uint32()), ("counts", pa.list_(pa.uint32()))]
)
REGION: Final = pa.struct(
    [
        ("region_id", _TEXT),
        ("left", _NUMBER),
        ("top", _NUMBER),
        ("right", _NUMBER),
        ("bottom", _NUMBER),
        ("origin", _TEXT),
        ("mask", MASK),
    ]
)
FIELDS: Final = (
    pa.field("exemplar_id", _TEXT),
    pa.field("label", _TEXT),
    pa.field("kind", _TEXT),
    pa.field("text", _TEXT),
    pa.field("attributes", pa.map_(_TEXT, VALUE)),
    pa.field("image", IMAGE),
    pa.field("region", REGION),
)
VECTOR: Final = pa.list_(pa.float32())
"""A column of vectors, all of one length. Not a fixed-size list: nulls in those only pyarrow 26 can read."""


class Source(NamedTuple):
    """Who made a column of vectors, and how many numbers each has; 0 if that is not known."""

    space: str
    encoder: str
    dimension: int = 0


@dataclass(frozen=True)
class About:
    """What a file says of itself.

    Attributes:
        collection: `tenant/collection` that it was exported from.
        memory_version: A version of that memory which the file holds, or an older one than it holds.
        sources: Who made each column of vectors.
    """

    collection: str
    memory_version: str
    sources: Mapping[str, Source]

    def written(self) -> dict[str, str]:
        """Return it as the metadata of a file."""
        sources = [{"column": column} | source._asdict() for column, source in self.sources.items()]
        return {
            "fovea.format": str(FORMAT),
            "fovea.collection": self.collection,
            "fovea.memory_version": self.memory_version,
            "fovea.embeddings": json.dumps(sources),
        }


def read_about(metadata: Mapping[bytes, bytes] | None) -> About | None:
    """Return what a file says of itself, or None if Fovea did not write it.

    Raises:
        Unsupported: A newer release wrote it.
        InvalidInput: It contradicts itself.
    """
    told = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (metadata or {}).items()
    }
    if "fovea.format" not in told:
        return None
    if told["fovea.format"] != str(FORMAT):
        raise Unsupported(
            f"the file has format {told['fovea.format'][:9]!r}, this release reads {FORMAT}: use a newer one",
            reason="PARQUET_FORMAT",
        )
    try:
        sources = {
            str(each["column"]): Source(str(each["space"]), str(each["encoder"]))
            for each in json.loads(told["fovea.embeddings"])
        }
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise InvalidInput(
            "the file's metadata fovea.embeddings does not say who made its vectors",
            reason="PARQUET_METADATA",
        ) from error
    return About(told.get("fovea.collection", ""), told.get("fovea.memory_version", ""), sources)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


_SCALARS: Final = (
    (pa.types.is_string, (pa.types.is_string, pa.types.is_large_string)),
    (pa.types.is_boolean, (pa.types.is_boolean,)),
    (pa.types.is_integer, (pa.types.is_integer,)),
    (pa.types.is_floating, (pa.types.is_floating, pa.types.is_integer)),
)
_LISTS: Final = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def fits(found: Any, wanted: Any) -> bool:
    """Whether a column of the one type holds what the other is read for.

    Numbers may be of another width, texts behind a dictionary, lists of any sort; a struct may have more
    fields, or fewer.
    """
    if pa.types.is_dictionary(found):
        return fits(found.value_type, wanted)
    if pa.types.is_map(wanted) or pa.types.is_map(found):
        return pa.types.is_map(found) and pa.types.is_map(wanted) and _same_entries(found, wanted)
    if pa.types.is_struct(wanted):
        return pa.types.is_struct(found) and all(_has(found, each) for each in wanted)
    if pa.types.is_list(wanted):
        return any(is_it(found) for is_it in _LISTS) and fits(found.value_type, wanted.value_type)
    kinds = next(kinds for is_it, kinds in _SCALARS if is_it(wanted))
    return any(is_it(found) for is_it in kinds)


def _same_entries(found: Any, wanted: Any) -> bool:
    return fits(found.key_type, wanted.key_type) and fits(found.item_type, wanted.item_type)


def _has(found: Any, field: Any) -> bool:
    """Whether a struct has a field of this kind, or none of this name."""
    place = found.get_field_index(field.name)
    return place < 0 or fits(found.field(place).type, field.type)
