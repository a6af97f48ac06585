"""What the command does with the checkpoint of a language model that sees pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.importer import description as toml
from models.importer.folder import CheckpointFolder
from models.importer.measuring import Measured
from models.importer.pictures import Pictures
from models.importer.rankers.export import RANKER, TOKENS, Written, write_ranker
from models.importer.rankers.families import opened_ranker
from models.importer.refusal import Refused
from models.importer.running import Model, milliseconds, size_of
from models.importer.shelf import Imported, aside, folder_of, free, move, write_card

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
    if kinds:
        raise Refused(
            f"variants ({', '.join(kinds)}) are made of encoders alone: what a ranker loses is not measured"
        )
    free(store, [f"{name}-{part}" for part in (TOKENS, RANKER)])
    checkpoint = opened_ranker(folder)
    with aside(store) as shelf:
        written = write_ranker(
            checkpoint, lambda part: folder_of(shelf, part), name=name, paths=pictures.some(_CHECKED)
        )
        imported = [_measured(each) for each in written]
        move(shelf, store)
    return imported


def _measured(written: Written) -> Imported:
    model = Model(written.folder)
    (time,) = milliseconds([model], written.item)
    rows = [Measured(model.description["name"], size_of(model) / 1e6, time)]
    write_card(written.folder, toml.read(written.folder), rows, written.parity, batch=1)
    return Imported(written.parity, rows, batch=1)
