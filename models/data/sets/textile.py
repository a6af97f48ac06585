"""Simulated textiles, sound or with a defect: many pictures of few classes, for few-shot evaluation alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from models.data.manifest import Row
from models.data.packages import Package, PyPI
from models.data.pictures import copied
from models.data.splits import EVALUATION

PACKAGES: Final[Mapping[str, Package]] = {
    "textile": PyPI(
        "conformal-clip-data",
        "0.1.4",
        "00144ccc179a887dbea15923be8cf236d0c0f49bf7fb6f7bb288e40b53fb1bcb",
    )
}
LABELS: Final = {
    "nominal": "sound textile",
    "local": "textile with a local defect",
    "global": "textile with a global defect",
}


def build(sources: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    """Copy the pictures into the folder and yield their rows."""
    pictures = sources["textile"] / "conformal_clip_data" / "data" / "textile_images" / "simulated"
    for kind, label in LABELS.items():
        for path in sorted((pictures / kind).glob("*.jpg")):
            row = Row(f"textile/{kind}/{path.stem}", f"{kind}/{path.name}", label, EVALUATION, "MIT", "")
            yield copied(path, folder, row)
