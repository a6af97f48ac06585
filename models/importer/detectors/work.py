"""What the command does with a detector's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.importer.detectors.export import write_detector
from models.importer.detectors.families import opened_detector
from models.importer.folder import CheckpointFolder
from models.importer.graphs import imported, no_variants
from models.importer.pictures import Pictures
from models.importer.shelf import Imported, free

_CHECKED: Final = 8
"""Real pictures of the parity check: a detector takes seconds for one."""
_PARTS: Final = ("boxes", "text", "image", "masks")


def import_detector(
    folder: CheckpointFolder, store: Path, *, name: str, kinds: Sequence[str], pictures: Pictures
) -> list[Imported]:
    """Write the graphs of a checkpoint into a store; all of them or none.

    Args:
        folder: The checkpoint's.
        store: The folder that has one folder a model.
        name: What the graphs' names begin with.
        kinds: Variants, of which there are none of detectors.
        pictures: To check and measure with.

    Raises:
        Refused: The checkpoint is not taken, or something of that name is there already.
    """
    no_variants(kinds, of="detector")
    free(store, [f"{name}-{part}" for part in _PARTS])
    checkpoint, paths = opened_detector(folder), pictures.some(_CHECKED)
    return imported(store, lambda folders: write_detector(checkpoint, folders, name=name, paths=paths))
