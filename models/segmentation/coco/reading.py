"""A data set in COCO JSON as samples: its categories are the names that are asked for.

Beside the published keys, those that `writing` adds are understood, and LVIS's: an image's
`neg_category_ids` and `not_exhaustive_category_ids`, which say what was looked for in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Bool, UInt8

from models.segmentation.coco.checking import Entry, box_of, check, names_of, parsed, sizes_of, wanted_of
from models.segmentation.coco.errors import BadImage, BadSegmentation, CocoError
from models.segmentation.coco.segments import mask_of
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.segmentation.stuff import components
from models.vision.images import ImageError, ImageLimits, decode
from models.vision.masks import bounding_box

_LIMITS: Final = ImageLimits(max_bytes=1 << 28, max_pixels=1 << 27, max_side_px=1 << 15)


@dataclass(frozen=True, eq=False)
class CocoSet:
    """A data set whose JSON was checked; pictures are read when asked for.

    Attributes:
        name: Of the set.
        folder: Where its pictures are.
        prompts: What may be asked: the categories, in the order of the file.
        categories: Place among the prompts of each category's id, and whether it is stuff.
        images: Entries of the JSON.
        annotations: Entries of each image, by its id.
    """

    name: str
    folder: Path
    prompts: tuple[Prompt, ...]
    categories: Mapping[int, tuple[int, bool]]
    images: tuple[Entry, ...]
    annotations: Mapping[int, tuple[Entry, ...]]

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, number: int) -> Sample:
        """Return an image with all prompts and its things.

        Raises:
            BadImage, BadBox, BadSegmentation: See each.
            IndexError: If there is no such image.
        """
        entry = self.images[number]
        image = self._pixels(entry)
        asked = [each for each in entry.get("prompts", self.categories) if each in self.categories]
        place = {category: where for where, category in enumerate(asked)}
        things: list[Thing] = []
        crowds: list[Thing] = []
        for annotation in self.annotations.get(entry["id"], ()):
            found = self._things(annotation, image.shape[1], image.shape[0], place)
            (crowds if annotation.get("iscrowd") else things).extend(found)
        prompts = tuple(self.prompts[self.categories[category][0]] for category in asked)
        verified = _verified(entry, place, [*things, *crowds])
        return Sample(image, prompts, tuple(things), self.name, verified=verified, crowds=tuple(crowds))

    def _pixels(self, entry: Entry) -> UInt8[np.ndarray, "h w 3"]:
        path = self.folder / entry["file_name"]
        try:
            image = decode(path.read_bytes(), limits=_LIMITS)
        except OSError as error:
            raise BadImage(f"image {entry['id']}: {path} cannot be read: {error.strerror}") from error
        except ImageError as error:
            raise BadImage(f"image {entry['id']}: {path}: {error}") from error
        if image.shape[:2] != (entry["height"], entry["width"]):
            high_px, wide_px = image.shape[:2]
            said = f"{entry['width']} x {entry['height']}"
            raise BadImage(f"image {entry['id']}: {path} has {wide_px} x {high_px} pixels, not {said}")
        return image

    def _things(
        self, annotation: Entry, width_px: int, height_px: int, place: Mapping[int, int]
    ) -> Iterable[Thing]:
        category = annotation["category_id"]
        where, stuff = self.categories[category]
        box = box_of(annotation, width_px, height_px)
        answers = frozenset(
            place[each] for each in annotation.get("category_ids", [category]) if each in place
        )
        label = str(annotation.get("label", self.prompts[where].text))
        pieces = [(box, np.ones((box.bottom - box.top, box.right - box.left), dtype=np.bool_))]
        mask = _mask(annotation, width_px, height_px)
        if mask is not None and mask.any():  # what is too thin to cover a pixel's middle stays its box
            if stuff and not annotation.get("iscrowd"):
                pieces = [(part.box, part.mask) for part in components(mask)]
            else:
                inner = bounding_box(mask)
                pieces = [(inner, mask[inner.rows, inner.columns])]
        cutout = annotation.get("cutout")
        return [Thing(at, seen, answers, stuff=stuff, label=label, cutout=cutout) for at, seen in pieces]


def read(annotations: Path, images: Path, *, classes: Path | None = None) -> CocoSet:
    """Return the data set that a COCO JSON describes; its name is the file's.

    Args:
        annotations: The JSON.
        images: The folder that its file names are in.
        classes: Text file with one name a line: those that are asked for, in this order. Each must be
            a category; annotations of other categories are left out. None: all categories.

    Raises:
        BadJson, BadClasses, UnknownId, BadBox, BadImage: See each. Pictures are only looked for here.
    """
    said = parsed(annotations)
    names = names_of(said["categories"])
    wanted = wanted_of(names, classes)
    stuff = {entry["id"]: not entry.get("isthing", 1) for entry in said["categories"]}
    kinds = {entry["id"]: entry.get("kind", PromptKind.NAME) for entry in said["categories"]}
    prompts = tuple(Prompt(PromptKind(kinds[category]), names[category]) for category in wanted)
    categories = {category: (where, stuff[category]) for where, category in enumerate(wanted)}
    sizes = sizes_of(said["images"], images)
    found: dict[int, list[Entry]] = defaultdict(list)
    for number, entry in enumerate(said["annotations"]):
        check(entry, number, sizes, names)
        if entry["category_id"] in categories:
            found[entry["image_id"]].append(entry)
    listed = MappingProxyType({image: tuple(entries) for image, entries in found.items()})
    return CocoSet(
        annotations.stem, images, prompts, MappingProxyType(categories), tuple(said["images"]), listed
    )


def _mask(entry: Entry, width_px: int, height_px: int) -> Bool[np.ndarray, "h w"] | None:
    """Return the mask; None if the annotation has a box alone."""
    if not entry.get("segmentation"):
        return None
    try:
        return mask_of(entry["segmentation"], width_px=width_px, height_px=height_px)
    except CocoError as error:
        raise BadSegmentation(
            f"annotation {entry.get('id')} of image {entry['image_id']}: {error}"
        ) from error


def _verified(entry: Entry, place: Mapping[int, int], things: Sequence[Thing]) -> frozenset[int] | None:
    """Return the prompts that were looked for in an image; None: all."""
    if "neg_category_ids" not in entry:
        return None
    absent = {place[category] for category in entry["neg_category_ids"] if category in place}
    partly = {
        place[category] for category in entry.get("not_exhaustive_category_ids", []) if category in place
    }
    present = frozenset[int]().union(*(each.answers for each in things))
    return frozenset(absent | (present - partly))
