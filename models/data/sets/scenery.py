"""Photographs of GCompris: scenery to put things into, and named animals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from models.data import rcc, splits
from models.data.manifest import Row, read
from models.data.packages import Debian, Package
from models.data.splits import EVALUATION, TRAIN, WITHHELD, Withheld

PACKAGES: Final[Mapping[str, Package]] = {
    "gcompris": Debian(
        "gcompris-qt-data",
        "3.1-2",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    )
}
_KINDS: Final = {
    "explore_monuments/resource": "scenery",
    "details/resource/image": "scenery",
    "clickgame/resource/sea": "scenery",
    "erase/resource": "animal",
    "explore_farm_animals/resource/animals": "animal",
    "explore_world_animals/resource/animals": "animal",
}
_LEAST_BYTES: Final = 14_000
"""Smaller files of these folders are icons."""
_EVALUATED: Final = 3
"""One in so many pieces of scenery is for evaluation."""


def build(sources: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    """Extract the photographs into the folder and yield their rows."""
    kept = splits.withheld_of(read(sources["emoji"]))
    bundles = sources["gcompris"] / "usr" / "share" / "gcompris-qt" / "rcc"
    for bundle in sorted(bundles.glob("*.rcc")):
        for path, content in rcc.files(bundle.read_bytes()):
            kind = next((kind for start, kind in _KINDS.items() if f"/{start}" in path), None)
            if kind is None or not path.endswith(".webp") or len(content) < _LEAST_BYTES:
                continue
            row = _row(PurePosixPath(path), kind, content, kept)
            (folder / row.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / row.path).write_bytes(content)
            yield row


def _row(path: PurePosixPath, kind: str, content: bytes, kept: Withheld) -> Row:
    inside = PurePosixPath(kind, *path.parts[path.parts.index("activities") + 1 :])
    label = path.stem.removesuffix("_background").replace("_", " ").lower()
    sha256 = hashlib.sha256(content).hexdigest()
    split = WITHHELD if kept.shows(label) else TRAIN
    if kind == "scenery":
        split = TRAIN if int(sha256, 16) % _EVALUATED else EVALUATION
    return Row(
        id=f"scenery/{inside.with_suffix('')}",
        path=str(inside),
        label=label,
        split=split,
        licence="GPL-3.0-or-later",
        sha256=sha256,
        columns={"kind": kind},
    )
