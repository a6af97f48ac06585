"""Puts pictures into the folder of a set: as they are, or drawn once where they are vectors."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import resvg_py

from models.data.manifest import Row
from models.files import digest

DRAWN_PX: Final = 256


def copied(source: Path, folder: Path, row: Row) -> Row:
    """Copy a picture to the row's path; SVG is drawn as PNG of 256 pixels. Return the row with its digest."""
    place = folder / row.path
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".svg":
        text = source.read_text(encoding="utf-8")
        drawn = resvg_py.svg_to_bytes(
            svg_string=text, width=DRAWN_PX, height=DRAWN_PX, skip_system_fonts=True
        )
        place.write_bytes(bytes(drawn))
    else:
        shutil.copyfile(source, place)
    return replace(row, sha256=digest(place))
