"""Finds what is wrong with a COCO JSON before any picture is read, and says which entry it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.segmentation.coco.errors import BadBox, BadClasses, BadImage, BadJson, UnknownId
from models.segmentation.samples import PromptKind
from models.vision.boxes import Box

_OUTSIDE_PX: Final = 1.0
"""By so much a box may pass the edge of its image: annotation tools round."""
_SIDES: Final = 4

Entry = Mapping[str, Any]


def parsed(path: Path) -> Mapping[str, list[dict[str, Any]]]:
    """Return a COCO JSON with its three lists. Raises BadJson."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadJson(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadJson(f"{path} is no JSON in UTF-8: {error}") from error
    for key in ("images", "categories", "annotations"):
        entries = said.get(key) if isinstance(said, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise BadJson(f"{path} has no list of entries {key!r}")
    return said  # type: ignore[no-any-return]


def names_of(categories: Sequence[Entry]) -> dict[int, str]:
    """Return the name of each category by its id. Raises BadClasses, UnknownId."""
    names: dict[int, str] = {}
    said: set[tuple[str, str]] = set()
    for number, entry in enumerate(categories):
        name = entry.get("name")
        if not isinstance(entry.get("id"), int) or not isinstance(name, str) or not name.strip():
            raise BadClasses(f"category {number} of the list has no whole number as id, or no name")
        if entry["id"] in names:
            raise UnknownId(f"category id {entry['id']} stands twice")
        kind = str(entry.get("kind", PromptKind.NAME))
        if kind not in list(PromptKind):
            raise BadClasses(f"category {entry['id']} is of kind {kind!r}, which is no kind of prompt")
        if (kind, name) in said:
            raise BadClasses(f"two categories are called {name!r}")
        said.add((kind, name))
        names[entry["id"]] = name
    return names


def wanted_of(names: Mapping[int, str], classes: Path | None) -> list[int]:
    """Return the ids of the categories that are asked for. Raises BadClasses."""
    if classes is None:
        return list(names)
    try:
        lines = [line.strip() for line in classes.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadClasses(f"{classes} cannot be read as text in UTF-8: {error}") from error
    ids = {name: category for category, name in names.items()}
    for number, line in enumerate(lines):
        if line not in ids:
            raise BadClasses(f"{classes}: no category is called {line!r}")
        if line in lines[:number]:
            raise BadClasses(f"{classes}: {line!r} stands twice")
    return [ids[line] for line in lines]


def sizes_of(entries: Sequence[Entry], folder: Path) -> dict[int, tuple[int, int]]:
    """Return width and height of each image by its id. Raises BadJson, UnknownId, BadImage."""
    sizes: dict[int, tuple[int, int]] = {}
    for number, entry in enumerate(entries):
        whole = [entry.get(key) for key in ("id", "width", "height")]
        name = entry.get("file_name")
        if not all(isinstance(each, int) for each in whole) or not isinstance(name, str):
            raise BadJson(f"image {number} of the list lacks id, width, height (whole numbers) or file_name")
        if entry["id"] in sizes:
            raise UnknownId(f"image id {entry['id']} stands twice")
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise BadImage(f"image {entry['id']}: {name!r} leads out of {folder}")
        if not (folder / name).is_file():
            raise BadImage(f"image {entry['id']}: {folder / name} is not there")
        sizes[entry["id"]] = entry["width"], entry["height"]
    return sizes


def check(entry: Entry, number: int, sizes: Mapping[int, tuple[int, int]], names: Mapping[int, str]) -> None:
    """Raise UnknownId or BadBox if an annotation cannot be one of this set."""
    which = f"annotation {entry.get('id', f'number {number} of the list')}"
    if entry.get("image_id") not in sizes:
        raise UnknownId(f"{which} is of image {entry.get('image_id')}, which is not there")
    if entry.get("category_id") not in names:
        raise UnknownId(f"{which} is of category {entry.get('category_id')}, which is not there")
    box_of(entry, *sizes[entry["image_id"]])


def box_of(entry: Entry, width_px: int, height_px: int) -> Box:
    """Return the box in whole pixels, cut to the image. Raises BadBox."""
    which = f"annotation {entry.get('id')} of image {entry['image_id']}"
    said = entry.get("bbox")
    numbers = isinstance(said, list) and all(isinstance(each, int | float) for each in said)
    if not isinstance(said, list) or not numbers or len(said) != _SIDES:
        raise BadBox(f"{which}: bbox is {said!r}, not left, top, width and height")
    left, top, wide, high = (float(each) for each in said)
    if not np.isfinite(said).all() or wide <= 0 or high <= 0:
        raise BadBox(f"{which}: bbox {said} has no area")
    beyond = max(-left, -top, left + wide - width_px, top + high - height_px)
    if beyond > _OUTSIDE_PX:
        raise BadBox(f"{which}: bbox {said} is outside the image of {width_px} x {height_px} pixels")
    try:
        return Box.around(left, top, left + wide, top + high).within(width_px, height_px)
    except ValueError as error:
        raise BadBox(f"{which}: {error}") from error
