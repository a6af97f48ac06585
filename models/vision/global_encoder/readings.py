"""What the frozen encoder reads from pictures and their views: computed once, kept, shared by every run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float16, Int, UInt8
from PIL import Image

from models.vision.global_encoder.data import Picture
from models.vision.global_encoder.views import trimmed, view
from models.vision.preparation import prepare

CHUNK: Final = 512
_BATCH: Final = 16
_LARGEST_PX: Final = 256
_SEED: Final = 7

Read = Callable[[UInt8[np.ndarray, "n 224 224 3"]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Readings:
    """Rows of what was read.

    Attributes:
        rows: One a view.
        picture: Of which picture each is, as a place in the list that was read.
        is_plain: Whether it is the picture as it is, not a random view of it.
    """

    rows: Float16[np.ndarray, "view part"]
    picture: Int[np.ndarray, "view"]
    is_plain: np.ndarray


def readings(pictures: Sequence[Picture], read: Read, folder: Path, *, chunk: int = CHUNK) -> Readings:
    """Return what is read from every picture and its views; what lies in the folder is not read again.

    Args:
        pictures: In an order that stays the same, or the folder is of no use.
        read: The frozen encoder.
        folder: For parts of a few views each.
        chunk: So many; as long as it stays the same, what was read is found again.

    Raises:
        ValueError: Without any picture.
    """
    wanted = [(place, 0) for place in range(len(pictures))]
    most = max((picture.views for picture in pictures), default=0)
    for number in range(1, most + 1):
        wanted += [(place, number) for place, picture in enumerate(pictures) if picture.views >= number]
    rows: np.ndarray | None = None
    for start in range(0, len(wanted), chunk):
        chosen = [(pictures[place], number) for place, number in wanted[start : start + chunk]]
        path = folder / f"{start // chunk:05d}-{_key(chosen)}.npy"
        if not path.is_file():
            _write(path, np.concatenate([read(crops) for crops in _batches(chosen)]).astype(np.float16))
            print(f"read {start + len(chosen):,} of {len(wanted):,} views", flush=True)  # noqa: T201  (minutes)
        part = np.load(path)
        if rows is None:  # one block, as large as a gigabyte, rather than parts and their copy
            rows = np.empty((len(wanted), part.shape[1]), dtype=np.float16)
        rows[start : start + len(part)] = part
    if rows is None:
        raise ValueError("there is no picture to read")
    places, numbers = np.array(wanted).T
    return Readings(rows, places, numbers == 0)


def crop_of(picture: Picture, number: int) -> UInt8[np.ndarray, "224 224 3"]:
    """Return a picture as a service would prepare it (number 0), or one of its random views."""
    image = _opened(picture.path)
    if number == 0:
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, (0, 0), image)
        return prepare(np.asarray(white))
    seed = int(hashlib.sha256(picture.id.encode()).hexdigest()[:12], 16)
    return view(trimmed(image), picture.freedom, np.random.default_rng((_SEED, seed, number)))


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.draft("RGB", (_LARGEST_PX, _LARGEST_PX))
        opened = image.convert("RGBA")
    if max(opened.size) > _LARGEST_PX:
        opened.thumbnail((_LARGEST_PX, _LARGEST_PX), Image.Resampling.LANCZOS)
    return opened


def _batches(chosen: Sequence[tuple[Picture, int]]) -> Iterator[np.ndarray]:
    for start in range(0, len(chosen), _BATCH):
        yield np.stack([crop_of(picture, number) for picture, number in chosen[start : start + _BATCH]])


def _key(chosen: Sequence[tuple[Picture, int]]) -> str:
    said = "\n".join(f"{picture.id} {number} {picture.freedom}" for picture, number in chosen)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _write(path: Path, rows: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.save(file, rows)
    unfinished.rename(path)
