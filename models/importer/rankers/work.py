"""What the command does with the checkpoint of a language model that sees pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.importer.folder import CheckpointFolder
from models.importer.graphs import imported, no_variants
from models.importer.pictures import Pictures
from models.importer.rankers.export import RANKER, TOKENS, write_ranker
from models.importer.rankers.families import opened_ranker
from models.importer.shelf import Imported, free

_CHECKED: Final = 3
"""Real pictures of the parity check: a language model takes seconds for one."""


def import_ranker(
    folder: CheckpointFolder, store: Path, *, name: str, kinds: Sequence[str], pictures: Pictures
) -> list[Imported]:
    """Write both graphs of a checkpoint into a store, or none.

    Args:
        folder: The checkpoint's.
        store: The folder that has one folder a model.
        name: What the graphs' names begin with.
        kinds: Variants, of which there are none of these.
        pictures: To check with.

    Raises:
        Refused: The checkpoint is not taken, or something of that name is there already.
    """
    no_variants(kinds, of="ranker")
    free(store, [f"{name}-{part}" for part in (TOKENS, RANKER)])
    checkpoint, paths = opened_ranker(folder), pictures.some(_CHECKED)
    return imported(store, lambda folders: write_ranker(checkpoint, folders, name=name, paths=paths))
