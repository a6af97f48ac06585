"""Is the trained map worse than the stages it was made of? `python -m models.vision.local_encoder.guard`.

Both maps are read alike: the mean over a region's points, centred on the memory's mean. One picture a
class teaches, read from its own map; the same classes by another artist, in scenes, ask. The classes are
those that nothing was trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional

from models.data.cache import load
from models.evaluation.dense import reader as stored
from models.vision.anyres.network import read
from models.vision.boxes import Box
from models.vision.efficientnet.network import PIXEL_OFFSET, PIXEL_SCALE, STAGES, EfficientNetLite0
from models.vision.global_encoder.fitting import unit
from models.vision.local_encoder.cutouts import on_white
from models.vision.local_encoder.reading import Local, Reader
from models.vision.local_encoder.train import load_trunk
from models.vision.scenes import CutOut, Scene, SceneSettings, compose

ARTISTS = ("google", "twitter", "fluent-3d")
SIZES = ((640, 480), (800, 600), (1024, 768), (1280, 720), (768, 1024), (1400, 700), (700, 700))
OBJECTS = 20
SPANS = ((12, 24), (24, 48), (64, 160))
_FIRST_STAGE = 2
_CELLS = 28


class MiddleStages:
    """The untrained map: stages 2 to 6 of EfficientNet-Lite0, brought to the local encoder's cells."""

    def __init__(self, trunk: EfficientNetLite0) -> None:
        self._trunk = trunk.eval()

    def __call__(self, tiles: UInt8[np.ndarray, "n 224 224 3"]) -> Float32[np.ndarray, "n 28 28 744"]:
        """Return the map of each tile."""
        with torch.inference_mode():
            found: np.ndarray = self._stages(torch.from_numpy(tiles)).permute(0, 2, 3, 1).numpy()
        return found

    def _stages(self, tiles: Tensor) -> Tensor:
        image = ((tiles.to(torch.float32) - PIXEL_OFFSET) / PIXEL_SCALE).permute(0, 3, 1, 2)
        found = islice(self._trunk.stages(image), _FIRST_STAGE, len(STAGES))
        return torch.cat(
            [functional.interpolate(each, (_CELLS, _CELLS), mode="bilinear") for each in found], dim=1
        )


def mean_reader(local: Local) -> Reader:
    """Return a reader that averages the tiles' map over a region's points."""

    def mean(
        local: Float32[np.ndarray, "1 H W d"],
        _: Float32[np.ndarray, "1 h w d"],
        points: Float32[np.ndarray, "1 r p 3"],
    ) -> Float32[np.ndarray, "1 r d"]:
        there = read(torch.from_numpy(local), torch.from_numpy(points[..., :2])).numpy()
        inside = points[..., 2:]
        found: np.ndarray = (there * inside).sum(2) / inside.sum(2)
        return found

    return Reader(local, mean)


def taught(reader: Reader, cutouts: Sequence[CutOut]) -> Float32[np.ndarray, "n d"]:
    """Return what is read from each picture alone, on white."""
    pictures = [on_white(each.rgba) for each in cutouts]
    return np.concatenate([reader.read(each, [Box(0, 0, each.shape[1], each.shape[0])]) for each in pictures])


def scenes(cutouts: Sequence[CutOut], span: tuple[int, int], seed: int) -> list[Scene]:
    """Return scenes in which every cut-out stands once; labels are their indices."""
    order = np.random.default_rng(seed).permutation(len(cutouts))
    found = []
    for number, start in enumerate(range(0, len(order), OBJECTS)):
        laid = [CutOut(str(index), cutouts[index].rgba) for index in order[start : start + OBJECTS]]
        size = SIZES[(number + seed) % len(SIZES)]
        found.append(compose(laid, SceneSettings(*size, *span), seed=1000 * seed + number))
    return found


def right(reader: Reader, memory: Float32[np.ndarray, "n d"], asked: Sequence[Scene]) -> tuple[int, int]:
    """Return how many regions have their own class as the nearest, and of how many."""
    mean = memory.mean(0)
    known = unit(memory - mean)
    found = total = 0
    for scene in asked:
        seen = unit(reader.read(scene.image, [each.box for each in scene.objects]) - mean)
        truth = np.array([int(each.label) for each in scene.objects])
        found += int(((seen @ known.T).argmax(1) == truth).sum())
        total += len(truth)
    return found, total


def unseen() -> dict[str, list[CutOut]]:
    """Return each artist's pictures of the classes that nothing was trained on, in one order."""
    emoji = load("emoji").where(lambda row: bool(row["unseen"]) and not row["parent"])
    rows = {
        artist: {row["codepoint"]: row for row in emoji.rows if row["artist"] == artist} for artist in ARTISTS
    }
    common = sorted(set.intersection(*(set(each) for each in rows.values())))
    return {
        artist: [CutOut.read(one, emoji.file(each[one])) for one in common] for artist, each in rows.items()
    }


def main() -> None:
    """Print how often both maps are right, for each artist who asks and each size of the objects."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    pictures = unseen()
    ways = {
        "stages, untrained": mean_reader(MiddleStages(load_trunk())),
        "fovea-local": mean_reader(stored().local),
    }
    print(
        f"{len(pictures[ARTISTS[0]])} classes, top-1 in per cent\n| asked | px | "
        + " | ".join(ways)
        + " | n |"
    )
    print("|" + "---|" * (3 + len(ways)))
    memories = {
        way: {artist: taught(reader, pictures[artist]) for artist in ARTISTS} for way, reader in ways.items()
    }
    for asked in ARTISTS:
        for span in SPANS:
            composed = scenes(pictures[asked], span, seed=0)
            shares, total = [], 0
            for way, reader in ways.items():
                counts = [
                    right(reader, memories[way][artist], composed) for artist in ARTISTS if artist != asked
                ]
                total = sum(count for _, count in counts)
                shares.append(f"{100 * sum(found for found, _ in counts) / total:.1f}")
            print(f"| {asked} | {span[0]}-{span[1]} | {' | '.join(shares)} | {total} |", flush=True)


if __name__ == "__main__":
    main()
