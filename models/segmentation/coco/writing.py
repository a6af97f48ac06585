"""Samples as COCO JSON: masks as run lengths, pictures as PNG.

What COCO has no word for is written beside its keys, where other readers pass over it: a category's `kind`,
an image's `prompts` (what it is asked for), an annotation's `category_ids` (everything that is true of it),
its `label` and its `cutout`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from PIL import Image

from models.segmentation.coco.errors import CocoError
from models.segmentation.coco.segments import runs_of
from models.segmentation.samples import Prompt, Sample, Thing

ANNOTATIONS: Final = "annotations.json"
IMAGES: Final = "images"


def write(samples: Iterable[Sample], folder: Path) -> Path:
    """Write samples into a folder, and return the path of the JSON; the pictures are in `images` beside it.

    Args:
        samples: One by one; none is kept.
        folder: Made if it is not there.

    Raises:
        CocoError: If a thing answers no prompt, so that it has no category.
    """
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    categories: dict[Prompt, dict[str, Any]] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, sample in enumerate(samples, 1):
        name = f"{number:06}.png"
        Image.fromarray(sample.image).save(folder / IMAGES / name)
        ids = [_category(prompt, categories)["id"] for prompt in sample.prompts]
        height_px, width_px = sample.image.shape[:2]
        images.append(
            {"id": number, "file_name": name, "width": width_px, "height": height_px, "prompts": ids}
        )
        for thing in (*sample.things, *sample.crowds):
            entry = _annotation(thing, ids, width_px, height_px)
            if thing.stuff:
                _category(sample.prompts[min(thing.answers)], categories)["isthing"] = 0
            place = {"id": len(annotations) + 1, "image_id": number}
            annotations.append({**place, **entry, "iscrowd": int(thing in sample.crowds)})
    path = folder / ANNOTATIONS
    said = {"images": images, "categories": list(categories.values()), "annotations": annotations}
    path.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    return path


def _category(prompt: Prompt, categories: dict[Prompt, dict[str, Any]]) -> dict[str, Any]:
    known = {"id": len(categories) + 1, "name": prompt.text, "kind": str(prompt.kind), "isthing": 1}
    return categories.setdefault(prompt, known)


def _annotation(thing: Thing, ids: list[int], width_px: int, height_px: int) -> dict[str, Any]:
    if not thing.answers:
        raise CocoError(f"a {thing.label} answers no prompt: it has no category")
    true_of = [ids[prompt] for prompt in sorted(thing.answers)]
    box = thing.box
    return {
        "category_id": true_of[0],
        "category_ids": true_of,
        "bbox": [box.left, box.top, box.right - box.left, box.bottom - box.top],
        "area": int(thing.mask.sum()),
        "segmentation": runs_of(thing.in_image(width_px, height_px)),
        "label": thing.label,
        "cutout": thing.cutout,
    }
