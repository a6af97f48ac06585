"""A memory at rest: which segments, and which of their exemplars are dead, as of some offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from services.kernel.vocabulary import CollectionKey


@dataclass(frozen=True, eq=False)
class SegmentState:
    """One segment of a collection: its folder, and the slots, rising, whose exemplars are dead."""

    folder: Path
    dead: Int32[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class State:
    """All collections exactly as they were when every partition was read up to its offset."""

    offsets: Mapping[int, int] = field(default_factory=dict)
    collections: Mapping[CollectionKey, tuple[SegmentState, ...]] = field(default_factory=dict)
