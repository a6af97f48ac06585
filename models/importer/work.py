"""What the commands do: import a checkpoint, and make a model of the store smaller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.importer import description as toml
from models.importer.detectors.families import is_detector
from models.importer.detectors.work import import_detector
from models.importer.export import write_text, write_vision
from models.importer.families import Checkpoint, opened
from models.importer.folder import CheckpointFolder
from models.importer.measuring import Measured, labels, measured_text, measured_vision, settings_of
from models.importer.pictures import Pictures, crops
from models.importer.rankers.families import is_ranker
from models.importer.rankers.work import import_ranker
from models.importer.shelf import Imported, aside, folder_of, free, move, write_card
from models.importer.variants import write_variant
from models.text.tokenizer import Tokenizer

_CHECKED: Final = 24
"""Real pictures of the parity check."""
_CALIBRATED: Final = 100


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
    folder = CheckpointFolder(path)
    if is_detector(folder):
        return import_detector(folder, store, name=name, kinds=kinds, pictures=pictures)
    if is_ranker(folder):
        return import_ranker(folder, store, name=name, kinds=kinds, pictures=pictures)
    free(store, [f"{name}-{tower}" for tower in ("vision", "text")])
    checkpoint = opened(folder)
    with aside(store) as shelf:
        towers = [_vision(checkpoint, shelf, name, kinds, pictures)]
        if checkpoint.family.reads:
            towers.append(_text(checkpoint, shelf, name, kinds))
        move(shelf, store)
    return towers


def shrink(source: Path, store: Path, *, kind: str, pictures: Pictures | None) -> list[Measured]:
    """Write a variant of a model, an encoder of pictures or of texts, into a store.

    Raises:
        Refused: It cannot be made, or is there already.
    """
    said = toml.read(source)
    free(store, [f"{said['name']}-{kind}"])
    with aside(store) as shelf:
        target = folder_of(shelf, f"{said['name']}-{kind}")
        sees = said["inputs"][0]["name"] == "crops"
        calibration = crops(pictures.first(_CALIBRATED), settings_of(said)) if sees and pictures else None
        write_variant(source, target, kind, calibration=calibration)
        if sees and pictures is not None:
            rows = measured_vision([source, target], pictures)
        else:
            rows = measured_text([source, target], _tokenizer(source, said), labels())
        write_card(target, toml.read(target), rows)
        move(shelf, store)
    return rows


def _vision(
    checkpoint: Checkpoint, shelf: Path, name: str, kinds: Sequence[str], pictures: Pictures
) -> Imported:
    folder = folder_of(shelf, f"{name}-vision")
    parity = write_vision(checkpoint, folder, name=name, paths=pictures.some(_CHECKED))
    folders = [folder, *_variants(shelf, folder, kinds)]
    rows = measured_vision(folders, pictures)
    for each in folders:
        write_card(each, toml.read(each), rows, parity)
    return Imported(parity, rows)


def _text(checkpoint: Checkpoint, shelf: Path, name: str, kinds: Sequence[str]) -> Imported:
    folder = folder_of(shelf, f"{name}-text")
    parity = write_text(checkpoint, folder, name=name, texts=labels())
    folders = [folder, *_variants(shelf, folder, kinds)]
    rows = measured_text(folders, _tokenizer(folder, toml.read(folder)), labels())
    for each in folders:
        write_card(each, toml.read(each), rows, parity)
    return Imported(parity, rows)


def _variants(shelf: Path, folder: Path, kinds: Sequence[str]) -> list[Path]:
    targets = []
    for kind in kinds:
        target = folder_of(shelf, f"{folder.parent.name}-{kind}")
        write_variant(folder, target, kind)
        targets.append(target)
    return targets


def _tokenizer(folder: Path, said: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_file(toml.file_of(folder, said, "tokenizer"), **said.get("texts", {}))
