"""The upper bound of a class-activation map: `python -m models.evaluation.detection.activation.network`.

EfficientNet-Lite0's head, laid over its last map at 384 pixels, scores each place for each class. For each
prompt the truth chooses the class and the threshold whose mask fits best, which nobody could who does
not know the truth. Source: class-activation maps, Zhou et al., arXiv 1512.04150. Needs torch; writes JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from models.export import packaged
from models.segmentation.prepared import SIDE_PX, draw, whole
from models.segmentation.samples import Sample, Thing
from models.segmentation.scenes import sets
from models.vision.efficientnet.export import CHECKPOINT, CHECKPOINT_SHA256, PACKAGE
from models.vision.efficientnet.network import PIXEL_OFFSET, PIXEL_SCALE, EfficientNetLite0

_THRESHOLDS = tuple(step / 10 for step in range(1, 10))
_COARSE = 48
_HALF = 0.5


def main() -> None:
    """Write scene, prompt and IoU of each prompt that one thing answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="seen", help="evaluation set")
    parser.add_argument("--scenes", type=int, default=50, help="the first so many")
    parser.add_argument("--out", type=Path, required=True, help="file that is written")
    asked = parser.parse_args()
    trunk = EfficientNetLite0()
    path = packaged(PACKAGE, CHECKPOINT, sha256=CHECKPOINT_SHA256)
    trunk.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    found = [
        {"scene": scene, "prompt": prompt, "iou": overlap}
        for scene in range(asked.scenes)
        for prompt, overlap in best_overlaps(trunk.eval(), sets.evaluation(asked.set, scene)).items()
    ]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found), encoding="utf-8")


def best_overlaps(trunk: EfficientNetLite0, sample: Sample) -> dict[int, float]:
    """Return the IoU of the best class's best mask, for each prompt that exactly one thing answers."""
    height_px, width_px = sample.image.shape[:2]
    square = whole(width_px, height_px)
    maps = activations(trunk, draw(sample.image, square))
    answered: dict[int, list[Thing]] = {}
    for thing in sample.things:
        for prompt in thing.answers:
            answered.setdefault(prompt, []).append(thing)
    shown = slice(0, square.height_px), slice(0, square.width_px)
    found = {}
    for prompt, things in sorted(answered.items()):
        if len(things) == 1:
            mask = np.zeros((SIDE_PX, SIDE_PX), dtype=np.uint8)
            drawn = Image.fromarray(things[0].in_image(width_px, height_px).view(np.uint8))
            mask[shown] = np.asarray(drawn.resize((square.width_px, square.height_px)))
            found[prompt] = _best(maps, torch.from_numpy(mask) > 0, shown)
    return found


def activations(trunk: EfficientNetLite0, picture: UInt8[np.ndarray, "side side 3"]) -> Tensor:
    """Return how strongly each place shows each class, shape (class, row, column)."""
    with torch.inference_mode():
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        *_, features = trunk.stages((pixels - PIXEL_OFFSET) / PIXEL_SCALE)  # (1, 1280, 12, 12)
        head = trunk._fc  # noqa: SLF001  (the packaged state dict's name)
        return functional.conv2d(features, head.weight[:, :, None, None], head.bias)[0]


def _best(maps: Tensor, mask: Tensor, shown: tuple[slice, slice]) -> float:
    """Return the IoU of the class and threshold that fit best at an eighth of the resolution."""
    coarse = functional.interpolate(maps[None], (_COARSE, _COARSE), mode="bilinear")[0]
    wanted = functional.interpolate(mask[None, None].float(), (_COARSE, _COARSE), mode="area")[0, 0] > _HALF
    low, high = coarse.amin((1, 2), keepdim=True), coarse.amax((1, 2), keepdim=True)
    overlaps = []
    for threshold in _THRESHOLDS:
        inside = coarse > low + threshold * (high - low)
        union = (inside | wanted).sum((1, 2))
        overlaps.append((inside & wanted).sum((1, 2)) / union.clamp(min=1))
    threshold, chosen = divmod(int(torch.stack(overlaps).argmax()), len(maps))
    fine = functional.interpolate(maps[None, chosen : chosen + 1], mask.shape, mode="bilinear")[0, 0]
    level = fine.min() + _THRESHOLDS[threshold] * (fine.max() - fine.min())
    inside, truth = (fine > level)[shown], mask[shown]
    return float((inside & truth).sum() / (inside | truth).sum())


if __name__ == "__main__":
    main()
