"""Clip art: some 8,000 drawings of openclipart, whose file names are their (noisy) labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final

from models.data import splits
from models.data.manifest import Row, read
from models.data.packages import Debian, Package
from models.data.pictures import copied
from models.data.splits import TRAIN, WITHHELD

PACKAGES: Final[Mapping[str, Package]] = {
    "clipart": Debian(
        "openclipart-png",
        "1:0.18+dfsg-19",
        "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
    )
}
_AUTHORS: Final = frozenset(
    (
        "architetto",
        "archite",
        "architett",
        "benji",
        "buculei",
        "enrique",
        "francesco",
        "frederic",
        "fudriot",
        "ganson",
        "gerald",
        "gerhards",
        "jarno",
        "jean",
        "jean-victor",
        "joel",
        "jon",
        "jonadab",
        "juliane",
        "krug",
        "lumen",
        "luiz",
        "mateya",
        "matthew",
        "mimooh",
        "nicolas",
        "nicu",
        "patricia",
        "peterm",
        "rollandin",
        "sergio",
        "snuatautisticido",
        "vasamaa",
        "yves",
        "zazou",
    )
)
"""Who drew much of it; file names end with their names, cut off anywhere."""


def build(sources: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    """Copy the drawings into the folder and yield their rows."""
    drawings = sources["clipart"] / "usr" / "share" / "openclipart" / "png"
    kept = splits.withheld_of(read(sources["emoji"]))
    rows = []
    for path in sorted(drawings.rglob("*.png")):
        inside = path.relative_to(drawings)
        label = name_of(path.stem)
        folders = "|".join(part.replace("_", " ") for part in inside.parts[:-1])
        row = Row(
            id=f"clipart/{inside.with_suffix('').as_posix()}",
            path=inside.as_posix(),
            label=label,
            split=WITHHELD if kept.shows(label) else TRAIN,
            licence="public-domain",
            sha256="",
            columns={"group": inside.parts[0], "keywords": folders},
        )
        rows.append(copied(path, folder, row))
    yield from splits.without_leaks(rows)


def name_of(stem: str) -> str:
    """Return what a file name says is drawn, without number and author; all of it if nothing else is left."""
    said = [part for part in re.split(r"[^A-Za-z-]+", stem.lower()) if part.strip("-")]
    drawn = said[:1] + list(takewhile(lambda part: part not in _AUTHORS and len(part) > 1, said[1:]))
    return " ".join(drawn) or stem
