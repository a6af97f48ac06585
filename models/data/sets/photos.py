"""Photographs: 314 cut-outs of Tux Paint's stamps with 292 English names, for evaluation alone.

Photographic are, by a heuristic that lets some renders in, the RGBA pictures with 2,000 and more colours
among their opaque pixels. Left out are those whose caption is more a sentence than a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from models.data.manifest import Row
from models.data.packages import Debian, Package
from models.data.pictures import copied
from models.data.splits import EVALUATION

PACKAGES: Final[Mapping[str, Package]] = {
    "stamps": Debian(
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    )
}
LEAST_COLOURS: Final = 2000
MOST_LETTERS: Final = 29
_OPAQUE: Final = 200
_NO_LETTER: Final = "[^a-z\u2019' -]"
_DETERMINERS: Final = r"^(an?|the|two|our|some|one|another|very) "


def build(sources: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    """Copy the photographs into the folder and yield their rows."""
    stamps = sources["stamps"] / "usr" / "share" / "tuxpaint" / "stamps"
    for path in sorted(stamps.rglob("*.png")):
        caption = path.with_suffix(".txt")
        if not caption.is_file():
            continue
        label = name_of(caption.read_text(encoding="utf-8", errors="replace").partition("\n")[0])
        if not 0 < len(label) <= MOST_LETTERS or not is_photographic(path):
            continue
        inside = path.relative_to(stamps)
        row = Row(
            id=f"photos/{inside.with_suffix('').as_posix()}",
            path=inside.as_posix(),
            label=label,
            split=EVALUATION,
            licence="GPL-2.0",
            sha256="",
            columns={"group": inside.parts[0]},
        )
        yield copied(path, folder, row)


def name_of(caption: str) -> str:
    """Return a caption as a name: lower case, letters alone, no article."""
    letters = " ".join(re.sub(_NO_LETTER, " ", caption.strip().lower()).split())
    return re.sub(_DETERMINERS, "", letters)


def is_photographic(path: Path) -> bool:
    """Whether an RGBA picture has as many colours as photographs have and drawings seldom."""
    with Image.open(path) as image:
        if image.mode != "RGBA":
            return False
        pixels = np.asarray(image)
    opaque = pixels[pixels[:, :, 3] > _OPAQUE][:, :3]  # (n, 3)
    codes = opaque.astype(np.int32) @ np.array([1, 1 << 8, 1 << 16])
    return len(np.unique(codes)) >= LEAST_COLOURS
