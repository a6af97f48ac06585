"""Writes the folders of the store: graphs, and in the description the thresholds that were chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from models.export import DESCRIPTION, STORE
from models.segmentation.export import DETECTOR, export
from models.segmentation.network import Detector
from models.segmentation.samples import PromptKind

_DIGITS = 4


def ship(detector: Detector, thresholds: Mapping[PromptKind, float], store: Path = STORE) -> None:
    """Write both graphs and the thresholds into descriptions that are there already.

    Raises:
        ValueError: If the description has no threshold for a kind.
    """
    path = store / DETECTOR / "1" / DESCRIPTION
    text = path.read_text(encoding="utf-8")
    for kind, value in thresholds.items():
        text, count = re.subn(
            rf"(?m)^{kind.value} = [0-9.]+$", f"{kind.value} = {value:.{_DIGITS}f}", text, count=1
        )
        if not count:
            raise ValueError(f"{path} has no threshold for {kind.value}")
    path.write_text(text, encoding="utf-8")
    export(detector, store)
