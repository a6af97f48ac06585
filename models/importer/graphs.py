"""Checkpoints that become several graphs, of which all are kept or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.importer import description as toml
from models.importer.export import Parity
from models.importer.measuring import Measured
from models.importer.refusal import Refused
from models.importer.running import Model, milliseconds, size_of
from models.importer.shelf import Imported, aside, folder_of, move, write_card

Folders = Callable[[str], Path]
"""Makes the folder of a name."""


@dataclass(frozen=True)
class Written:
    """One graph.

    Attributes:
        folder: Where it was written.
        parity: How far it is from transformers.
        item: What it is timed with.
    """

    folder: Path
    parity: Parity
    item: Mapping[str, np.ndarray]


def no_variants(kinds: Sequence[str], *, of: str) -> None:
    """Raise Refused if variants of a thing are asked for."""
    if kinds:
        raise Refused(
            f"variants ({', '.join(kinds)}) are made of encoders alone: what a {of} loses is not measured"
        )


def imported(store: Path, write: Callable[[Folders], list[Written]]) -> list[Imported]:
    """Put what is written into a store, measured and with a card each. Raises what `write` does."""
    with aside(store) as shelf:
        made = [_measured(each) for each in write(lambda name: folder_of(shelf, name))]
        move(shelf, store)
    return made


def _measured(written: Written) -> Imported:
    model = Model(written.folder)
    (time,) = milliseconds([model], written.item)
    rows = [Measured(model.description["name"], size_of(model) / 1e6, time)]
    write_card(written.folder, toml.read(written.folder), rows, written.parity, batch=1)
    return Imported(written.parity, rows, batch=1)
