"""Samples made ready to learn from, and kept: what a trunk that is not trained sees in each, and its truth.

A trunk that stays as it is sees the same whenever it looks, so it looks once. Lessons lie in shards, each
written aside and renamed: what was stopped goes on with the shard it was at.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float16, Float32, UInt8
from PIL import Image

from models.segmentation.prepared import SIDE_PX, Square, draw, whole
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing

SHARD: Final = 64
CELL_PX: Final = 4
_TRUTH: Final = "truth.json"
_MASKS: Final = "masks.npy"
_OPENED: Final = 512

Read = Callable[[UInt8[np.ndarray, "1 side side 3"]], Sequence[np.ndarray]]
"""A square picture to the trunk's maps, each (1, channels, rows, columns)."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One sample as a detector is taught it.

    Attributes:
        maps: What the trunk sees, from fine to coarse.
        boxes: Of the things, left, top, right, bottom as shares of the square.
        masks: Share of each cell that the thing covers, in 255ths.
        answers: For each thing, the indices of the prompts that are true of it.
        stuff: Whether each is stuff.
        labels: What each is.
        cutouts: The picture that was laid there, if it was.
        prompts: What is asked.
        data_set: Where it is from.
        weak: Only the words can be trusted.
        verified: The prompts that are known to be present or absent; None: all.
        crowds: Where things stand that nobody told apart, as `boxes`.
        crowd_answers: For each of these, the indices of the prompts that are true of what stands there.
    """

    maps: tuple[Float16[np.ndarray, "_c _h _w"], ...]
    boxes: Float32[np.ndarray, "things 4"]
    masks: UInt8[np.ndarray, "things cells cells"]
    answers: tuple[frozenset[int], ...]
    stuff: tuple[bool, ...]
    labels: tuple[str, ...]
    cutouts: tuple[str | None, ...]
    prompts: tuple[Prompt, ...]
    data_set: str
    weak: bool
    verified: frozenset[int] | None
    crowds: Float32[np.ndarray, "crowds 4"] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    crowd_answers: tuple[frozenset[int], ...] = ()

    @property
    def truth(self) -> Bool[np.ndarray, "things prompts"]:
        """Which prompt is true of which thing."""
        return self._table(self.answers)

    @property
    def crowd_truth(self) -> Bool[np.ndarray, "crowds prompts"]:
        """Which prompt is true of what stands in which crowd."""
        return self._table(self.crowd_answers)

    def _table(self, answers: Sequence[frozenset[int]]) -> Bool[np.ndarray, "rows prompts"]:
        found = np.zeros((len(answers), len(self.prompts)), dtype=np.bool_)
        for row, indices in enumerate(answers):
            found[row, sorted(indices)] = True
        return found


def lesson(sample: Sample, read: Read, *, side_px: int = SIDE_PX) -> Lesson:
    """Return a sample as a lesson: its picture drawn into the square, read, and its truth likewise."""
    height_px, width_px = sample.image.shape[:2]
    square = whole(width_px, height_px, side_px=side_px)
    cells = side_px // CELL_PX
    seen = read(draw(sample.image, square)[None])
    masks = [_covered(thing, square) for thing in sample.things]
    return Lesson(
        maps=tuple(np.asarray(each[0]).astype(np.float16) for each in seen),
        boxes=_placed(sample.things, square),
        masks=np.array(masks, np.uint8).reshape(-1, cells, cells),
        answers=tuple(thing.answers for thing in sample.things),
        stuff=tuple(thing.stuff for thing in sample.things),
        labels=tuple(thing.label for thing in sample.things),
        cutouts=tuple(thing.cutout for thing in sample.things),
        prompts=sample.prompts,
        data_set=sample.data_set,
        weak=sample.weak,
        verified=sample.verified,
        crowds=_placed(sample.crowds, square),
        crowd_answers=tuple(crowd.answers for crowd in sample.crowds),
    )


class Shelf:
    """Lessons of one data set in a folder, by number.

    Args:
        folder: Where they are.
        make: Makes the lesson of a number.
    """

    def __init__(self, folder: Path, make: Callable[[int], Lesson]) -> None:
        self._folder = folder
        self._make = make

    def fill(self, count: int, report: Callable[[int], None]) -> None:
        """Make the first lessons, in whole shards, and report how many there are after each shard."""
        for shard in range(-(-count // SHARD)):
            if not self._place(shard).is_dir():
                self._write(shard)
            report((shard + 1) * SHARD)

    def __getitem__(self, number: int) -> Lesson:
        """Return a lesson, whose maps are read from the disk when they are used."""
        shard, place = divmod(number, SHARD)
        return _opened(self._place(shard))[place]

    def _place(self, shard: int) -> Path:
        return self._folder / f"{shard:04d}"

    def _write(self, shard: int) -> None:
        made = [self._make(number) for number in range(shard * SHARD, (shard + 1) * SHARD)]
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".shard-", dir=self._folder) as work:
            aside = Path(work) / "made"
            aside.mkdir()
            for level, maps in enumerate(zip(*(each.maps for each in made), strict=True)):
                np.save(aside / f"level-{level}.npy", np.stack(maps))
            np.save(aside / _MASKS, np.concatenate([each.masks for each in made]))
            (aside / _TRUTH).write_text(json.dumps([_said(each) for each in made]), encoding="utf-8")
            shutil.move(aside, self._place(shard))


@lru_cache(maxsize=_OPENED)
def _opened(folder: Path) -> tuple[Lesson, ...]:
    levels = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("level-*.npy"))]
    masks = np.load(folder / _MASKS, mmap_mode="r")
    truths = json.loads((folder / _TRUTH).read_text(encoding="utf-8"))
    ends = np.cumsum([len(truth["boxes"]) for truth in truths])
    return tuple(
        _read_back(truth, tuple(level[place] for level in levels), covered)
        for place, (truth, covered) in enumerate(zip(truths, np.split(masks, ends[:-1]), strict=True))
    )


def _said(each: Lesson) -> dict[str, Any]:
    return {
        "boxes": each.boxes.tolist(),
        "answers": [sorted(answers) for answers in each.answers],
        "stuff": each.stuff,
        "labels": each.labels,
        "cutouts": each.cutouts,
        "prompts": [(prompt.kind.value, prompt.text) for prompt in each.prompts],
        "data_set": each.data_set,
        "weak": each.weak,
        "verified": None if each.verified is None else sorted(each.verified),
        "crowds": each.crowds.tolist(),
        "crowd_answers": [sorted(answers) for answers in each.crowd_answers],
    }


def _read_back(truth: dict[str, Any], maps: tuple[np.ndarray, ...], masks: np.ndarray) -> Lesson:
    return Lesson(
        maps=maps,
        boxes=np.array(truth["boxes"], np.float32).reshape(-1, 4),
        masks=masks,
        answers=tuple(frozenset(answers) for answers in truth["answers"]),
        stuff=tuple(truth["stuff"]),
        labels=tuple(truth["labels"]),
        cutouts=tuple(truth["cutouts"]),
        prompts=tuple(Prompt(PromptKind(kind), text) for kind, text in truth["prompts"]),
        data_set=truth["data_set"],
        weak=truth["weak"],
        verified=None if truth["verified"] is None else frozenset(truth["verified"]),
        crowds=np.array(truth.get("crowds", ()), np.float32).reshape(-1, 4),  # older shelves have none
        crowd_answers=tuple(frozenset(answers) for answers in truth.get("crowd_answers", ())),
    )


def _placed(things: Sequence[Thing], square: Square) -> Float32[np.ndarray, "n 4"]:
    boxes = [(thing.box.left, thing.box.top, thing.box.right, thing.box.bottom) for thing in things]
    shares = square.to_square(np.array(boxes, np.float64).reshape(-1, 4))
    return shares.astype(np.float32)


def _covered(thing: Thing, square: Square) -> UInt8[np.ndarray, "cells cells"]:
    """Return how much of each cell a thing covers, in 255ths."""
    window = square.window
    seen = thing.in_image(window.right, window.bottom)
    scaled = Image.fromarray(seen.astype(np.uint8) * 255).resize(
        (square.width_px, square.height_px), Image.Resampling.BOX
    )
    canvas = Image.new("L", (square.side_px, square.side_px))
    canvas.paste(scaled)
    return np.asarray(canvas.reduce(CELL_PX))
