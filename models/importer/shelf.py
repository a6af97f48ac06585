"""Where models are made, beside the store, so that all of them are put there or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.importer.export import Parity
from models.importer.measuring import Measured, table
from models.importer.refusal import Refused

VERSION: Final = "1"


@dataclass(frozen=True)
class Imported:
    """One model with its variants, as it stands in the store.

    Attributes:
        parity: How far it is from transformers.
        rows: What was measured of it and of each variant.
        batch: Items that were timed together.
    """

    parity: Parity
    rows: list[Measured]
    batch: int = 4


def write_card(
    folder: Path,
    said: dict[str, Any],
    rows: Sequence[Measured],
    parity: Parity | None = None,
    *,
    batch: int = 4,
) -> None:
    """Write what people want to know of a model.

    Args:
        folder: Of the model.
        said: Its description.
        rows: What was measured, timed in batches of so many items.
        parity: What was checked.
        batch: See `rows`.
    """
    checked = f"\n## Checked\n\n{parity.words[:1].upper()}{parity.words[1:]}.\n" if parity else ""
    given = [
        f"`{each['name']}` in the space `{each['space']}`" if each.get("space") else f"`{each['name']}`"
        for each in said["outputs"]
    ]
    text = f"""# {said["title"]}

| | |
|---|---|
| made from | {said["source"]} |
| licence | {said["licence"]} |
| preparation | {said["preprocessing"]} |
| gives | {", ".join(given)} |
{checked}
## Measured when it was made

{table(rows, batch=batch)}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def free(store: Path, names: Sequence[str]) -> None:
    """Raise Refused if something of one of these names is there."""
    for name in names:
        if (store / name).exists():
            raise Refused(f"{store / name} is there already: choose another name, or remove it first")


@contextmanager
def aside(store: Path) -> Iterator[Path]:
    """Give a folder beside the models, on the same disk, which is removed at the end."""
    store.mkdir(parents=True, exist_ok=True)
    shelf = Path(tempfile.mkdtemp(prefix=".making-", dir=store))
    try:
        yield shelf
    finally:
        shutil.rmtree(shelf, ignore_errors=True)


def folder_of(shelf: Path, name: str) -> Path:
    """Make the folder of a new model's version."""
    folder = shelf / name / VERSION
    folder.mkdir(parents=True)
    return folder


def move(shelf: Path, store: Path) -> None:
    """Put what was made among the models."""
    for model in sorted(shelf.iterdir()):
        model.replace(store / model.name)
