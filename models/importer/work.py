"""What the commands do: import a checkpoint, and make a model of the store smaller."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.importer import description as toml
from models.importer.export import Parity, write_text, write_vision
from models.importer.families import Checkpoint, opened
from models.importer.folder import CheckpointFolder
from models.importer.measuring import Measured, labels, measured_text, measured_vision, settings_of, table
from models.importer.pictures import Pictures, crops
from models.importer.refusal import Refused
from models.importer.variants import write_variant
from models.text.tokenizer import Tokenizer

_VERSION: Final = "1"
_CHECKED: Final = 24
"""Real pictures of the parity check."""
_CALIBRATED: Final = 100


@dataclass(frozen=True)
class Imported:
    """One tower with its variants, as it stands in the store."""

    parity: Parity
    rows: list[Measured]


def import_checkpoint(
    path: Path, store: Path, *, name: str, kinds: Sequence[str], pictures: Pictures
) -> list[Imported]:
    """Write the towers of a checkpoint, and their variants, into a store; all of them or none.

    Args:
        path: The checkpoint's folder.
        store: The folder that has one folder a model.
        name: What the towers' names and spaces begin with.
        kinds: Variants to make of each.
        pictures: To check and measure with.

    Raises:
        Refused: The checkpoint is not taken, or something of that name is there already.
    """
    _free(store, [f"{name}-{tower}" for tower in ("vision", "text")])
    checkpoint = opened(CheckpointFolder(path))
    with _aside(store) as shelf:
        towers = [_vision(checkpoint, shelf, name, kinds, pictures)]
        if checkpoint.family.reads:
            towers.append(_text(checkpoint, shelf, name, kinds))
        _move(shelf, store)
    return towers


def shrink(source: Path, store: Path, *, kind: str, pictures: Pictures | None) -> list[Measured]:
    """Write a variant of a model, an encoder of pictures or of texts, into a store.

    Raises:
        Refused: It cannot be made, or is there already.
    """
    said = toml.read(source)
    _free(store, [f"{said['name']}-{kind}"])
    with _aside(store) as shelf:
        target = _folder(shelf, f"{said['name']}-{kind}")
        sees = said["inputs"][0]["name"] == "crops"
        calibration = crops(pictures.first(_CALIBRATED), settings_of(said)) if sees and pictures else None
        write_variant(source, target, kind, calibration=calibration)
        if sees and pictures is not None:
            rows = measured_vision([source, target], pictures)
        else:
            rows = measured_text([source, target], _tokenizer(source, said), labels())
        _card(target, toml.read(target), rows)
        _move(shelf, store)
    return rows


def _vision(
    checkpoint: Checkpoint, shelf: Path, name: str, kinds: Sequence[str], pictures: Pictures
) -> Imported:
    folder = _folder(shelf, f"{name}-vision")
    parity = write_vision(checkpoint, folder, name=name, paths=pictures.some(_CHECKED))
    folders = [folder, *_variants(shelf, folder, kinds)]
    rows = measured_vision(folders, pictures)
    for each in folders:
        _card(each, toml.read(each), rows, parity)
    return Imported(parity, rows)


def _text(checkpoint: Checkpoint, shelf: Path, name: str, kinds: Sequence[str]) -> Imported:
    folder = _folder(shelf, f"{name}-text")
    parity = write_text(checkpoint, folder, name=name, texts=labels())
    folders = [folder, *_variants(shelf, folder, kinds)]
    rows = measured_text(folders, _tokenizer(folder, toml.read(folder)), labels())
    for each in folders:
        _card(each, toml.read(each), rows, parity)
    return Imported(parity, rows)


def _variants(shelf: Path, folder: Path, kinds: Sequence[str]) -> list[Path]:
    targets = []
    for kind in kinds:
        target = _folder(shelf, f"{folder.parent.name}-{kind}")
        write_variant(folder, target, kind)
        targets.append(target)
    return targets


def _tokenizer(folder: Path, said: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_file(toml.file_of(folder, said, "tokenizer"), **said.get("texts", {}))


def _card(folder: Path, said: dict[str, Any], rows: Sequence[Measured], parity: Parity | None = None) -> None:
    checked = f"\n## Checked\n\n{parity.words[:1].upper()}{parity.words[1:]}.\n" if parity else ""
    spaces = [
        f"`{each['name']}` in the space `{each['space']}`" for each in said["outputs"] if each.get("space")
    ]
    text = f"""# {said["title"]}

| | |
|---|---|
| made from | {said["source"]} |
| licence | {said["licence"]} |
| preparation | {said["preprocessing"]} |
| gives | {", ".join(spaces) or "no embeddings"} |
{checked}
## Measured when it was made

{table(rows)}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def _free(store: Path, names: Sequence[str]) -> None:
    for name in names:
        if (store / name).exists():
            raise Refused(f"{store / name} is there already: choose another name, or remove it first")


@contextmanager
def _aside(store: Path) -> Iterator[Path]:
    """Give a folder beside the models, on the same disk, which is removed at the end."""
    store.mkdir(parents=True, exist_ok=True)
    shelf = Path(tempfile.mkdtemp(prefix=".making-", dir=store))
    try:
        yield shelf
    finally:
        shutil.rmtree(shelf, ignore_errors=True)


def _folder(shelf: Path, name: str) -> Path:
    folder = shelf / name / _VERSION
    folder.mkdir(parents=True)
    return folder


def _move(shelf: Path, store: Path) -> None:
    for model in sorted(shelf.iterdir()):
        model.replace(store / model.name)
