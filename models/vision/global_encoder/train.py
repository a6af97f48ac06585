"""Trains the global encoder and the text encoder beside it.

`python -m models.vision.train global` makes models/store/fovea-global and fovea-text.
`python -m models.vision.train fold --held-out ARTIST --out FOLDER` makes the same two models without one
artist's pictures, for `make eval`.

What the frozen layers read from pictures and their views is kept in the cache and shared by all runs; one
that is stopped continues there. What follows is solved in closed form.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import torch

from models.bridge.export import class_names
from models.data.cache import cache_folder
from models.data.sets.emoji import ARTISTS
from models.export import GRAPH, STORE, write_graph
from models.files import digest
from models.text.export import NAME_MEAN, embed
from models.text.export import load_encoder as load_texts
from models.vision.global_encoder.data import Picture, learned, pictures
from models.vision.global_encoder.data import digest as of_pictures
from models.vision.global_encoder.export import export, load_reading
from models.vision.global_encoder.fitting import unit
from models.vision.global_encoder.network import PARTS
from models.vision.global_encoder.readings import Read, Readings, readings
from models.vision.global_encoder.recipe import Classifier, Fitted, Lesson, Recipe, fit
from models.vision.preparation import DEFAULTS

_CACHE: Final = cache_folder().parent / "training"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and export the encoders that ship, or those of a fold."""
    parser = argparse.ArgumentParser(
        prog="python -m models.vision.train global|fold",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--held-out", choices=ARTISTS, help="whose pictures are left out, in a fold")
    parser.add_argument("--out", type=Path, default=STORE, help="store that the models are written to")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    if (chosen.held_out is None) != (chosen.out == STORE):
        parser.error("a fold needs --held-out and --out; the encoders that ship take neither")
    torch.set_num_threads(chosen.threads)
    started = time.monotonic()
    recipe = Recipe()
    named, read = reader(chosen.threads)
    every = pictures()
    seen = readings(every, read, _CACHE / f"global-readings-{named}")
    own = learned(every, chosen.held_out)
    place = _CACHE / f"global-{chosen.held_out or 'all'}-{of_pictures(own)}-{named}-{recipe.digest}.npz"
    export(fitted(every, own, seen, recipe, place), recipe, chosen.out)
    print(f"took {time.monotonic() - started:.0f} s")


def fitted(
    every: Sequence[Picture], own: Sequence[Picture], seen: Readings, recipe: Recipe, place: Path
) -> Fitted:
    """Return the matrices that follow from what may be learned, and keep them in a file.

    Args:
        every: All pictures, in the order that was read.
        own: Those of them that may be learned from.
        seen: What was read.
        recipe: All constants.
        place: The file; it is named after everything that the matrices follow from.
    """
    clipart = sum(not picture.thing for picture in own)
    left_out = sum(not picture.thing for picture in every) - clipart
    names = len({picture.thing for picture in own if picture.thing})
    print(f"learns {names:,} names from {len(own) - clipart:,} emoji and {clipart:,} pieces of clip art;")
    print(f"{left_out:,} pieces of clip art left out for their captions", flush=True)
    if not place.is_file():
        classifier = Classifier(
            class_names(), load_reading().trunk.get_parameter("_fc.weight").detach().numpy()
        )
        lesson = Lesson(every, seen, PARTS, frozenset(picture.id for picture in own), classifier)
        fit(lesson, centred_texts, recipe).save(place)
    return Fitted.load(place)


def centred_texts(texts: Sequence[str]) -> np.ndarray:
    """Return texts as the text encoder centres them, unit norm."""
    return unit(embed(load_texts(), texts) - np.load(NAME_MEAN)).astype(np.float32)


def reader(threads: int) -> tuple[str, Read]:
    """Return the frozen part as a graph, faster than torch here, and a name that changes with it."""
    crops = torch.zeros((2, *[DEFAULTS.size_px] * 2, 3), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_graph(
            load_reading(),
            {"crops": crops},
            folder=folder,
            outputs=("rows",),
            dynamic_axes={"crops": ("batch",)},
        )
        named = digest(folder / GRAPH)[:12]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(
            str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
        )
    return named, lambda crops: np.asarray(session.run(None, {"crops": crops})[0])
