"""Exemplars as a segment keeps them, without their vectors: JSON, which is read twice as fast as a message.

Every hit of every search is read, so this is a tenth of a search's time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.kernel.vocabulary import (
    Box,
    Exemplar,
    ExemplarKind,
    ImageReference,
    Mask,
    Region,
    RegionOrigin,
)

_KINDS: Final[Mapping[str, ExemplarKind]] = {kind.value: kind for kind in ExemplarKind}
_ATTRIBUTE: Final = re.compile(rb'","attribute",\{')
_SCAN: Final[Any] = vars(json.JSONDecoder())["scan_once"]  # without a look for white space around it


def write(exemplar: Exemplar) -> bytes:
    """Return the record of an exemplar; equal exemplars have equal records."""
    image, region = exemplar.image, exemplar.region
    record = [
        exemplar.exemplar_id,
        exemplar.label,
        exemplar.kind.value,
        dict(exemplar.attributes),
        None if image is None else _image(image),
        None if region is None else _region(region),
        exemplar.text,
    ]
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def read(record: bytes) -> Exemplar:
    """Return the exemplar of a record; it was checked before it was written."""
    (exemplar_id, label, kind, attributes, image, region, text), _ = _SCAN(record.decode(), 0)
    return Exemplar(
        exemplar_id,
        label,
        _KINDS[kind],
        attributes,
        None if image is None else ImageReference(*image),
        None if region is None else _read_region(*region),
        text,
    )


def attribute_exemplars(data: bytes | memoryview) -> Iterator[int]:
    """Yield where, within records one behind the other, there is something of each attribute exemplar's.

    Nothing else matches: quotes within a text are written with a backslash before them.
    """
    return (found.start() for found in _ATTRIBUTE.finditer(data))


def _image(image: ImageReference) -> list[Any]:
    return [
        image.digest,
        image.key,
        image.media_type,
        image.size_bytes,
        image.width_px,
        image.height_px,
    ]


def _region(region: Region) -> list[Any]:
    mask = region.mask
    runs = None if mask is None else [mask.height_px, mask.width_px, mask.counts]
    return [region.region_id, [float(edge) for edge in region.box], region.origin.value, runs]


def _read_region(region_id: str, box: list[float], origin: str, runs: list[Any] | None) -> Region:
    mask = None if runs is None else Mask(runs[0], runs[1], tuple(runs[2]))
    return Region(region_id, Box(*box), RegionOrigin(origin), mask)
