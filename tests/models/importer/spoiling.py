"""Good checkpoints, made bad."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

Spoil = Callable[[Path], object]


def spoilt(kept: Path, tmp_path: Path, family: str, spoil: Spoil) -> Path:
    folder = shutil.copytree(kept / family, tmp_path / family)
    spoil(folder)
    return folder
