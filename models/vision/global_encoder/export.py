"""Makes the models `fovea-global` and `fovea-text` of fitted matrices."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models.bridge.export import class_embeddings
from models.bridge.network import StandardisedBridge
from models.export import DESCRIPTION, GRAPH, STORE, compare, halve, round_as_halved, stamp, write_graph
from models.text.export import NAME_MEAN, tokenizer
from models.text.export import load_encoder as load_texts
from models.vision.efficientnet.export import MEAN, fold_norms
from models.vision.efficientnet.export import load_encoder as load_images
from models.vision.global_encoder.fitting import Affine
from models.vision.global_encoder.network import GlobalEncoder, NameEncoder, Projection, Reading
from models.vision.global_encoder.recipe import Fitted, Recipe
from models.vision.preparation import DEFAULTS

GLOBAL: Final = "fovea-global"
TEXT: Final = "fovea-text"
TOLERANCE: Final = 1e-4


def load_reading() -> Reading:
    """Return the frozen part with the packaged weights."""
    return Reading(load_images(np.load(MEAN)).trunk).eval()


def export(fitted: Fitted, recipe: Recipe, store: Path = STORE) -> None:
    """Write both model folders, compare them with torch, and stamp their descriptions.

    Args:
        fitted: The matrices.
        recipe: What they were fitted by.
        store: Where models are; descriptions come from the project's own store.
    """
    images, texts = modules(fitted, recipe)
    crops = np.random.default_rng(0).integers(0, 256, (3, *[DEFAULTS.size_px] * 2, 3), dtype=np.uint8)
    folder = _described(GLOBAL, store)
    write_graph(
        images,
        {"crops": torch.from_numpy(crops)},
        folder=folder,
        outputs=("embeddings", "names"),
        dynamic_axes={"crops": ("batch",)},
        optimize=False,  # what is stored in 16 bits shall be what was rounded in torch
    )
    halve(folder / GRAPH)
    with torch.inference_mode():
        expected = [output.numpy() for output in images(torch.from_numpy(crops))]
    compare(folder, {"crops": crops}, expected, tolerance=TOLERANCE)
    _size(folder, [output.shape[1] for output in expected])
    stamp(folder)
    _export_texts(texts, _described(TEXT, store))


def _export_texts(texts: NameEncoder, folder: Path) -> None:
    tokens = tokenizer()(["goldfinch", "a small yellow bird with black wings"]).tensors()
    inputs = {name: torch.from_numpy(tensor) for name, tensor in tokens.items()}
    weights = {name: tensor.numpy() for name, tensor in texts.state_dict().items()}
    write_graph(
        texts,
        inputs,
        folder=folder,
        outputs=("embeddings",),
        dynamic_axes=dict.fromkeys(inputs, ("batch", "tokens")),
        external=list(weights),
    )
    halve(folder / GRAPH)
    with torch.inference_mode():
        expected = [texts(*inputs.values()).numpy()]
    compare(folder, tokens, expected, tolerance=TOLERANCE, external=weights)
    _size(folder, [expected[0].shape[1]])
    stamp(folder)


def modules(fitted: Fitted, recipe: Recipe) -> tuple[GlobalEncoder, NameEncoder]:
    """Return both encoders, with weights rounded as they are stored."""
    mean = np.load(NAME_MEAN)
    classes = torch.from_numpy(class_embeddings() - mean)
    reading = load_reading()
    fold_norms(reading.trunk)
    images = GlobalEncoder(
        reading,
        reductions=[_projection(reduction) for reduction in fitted.reductions],
        discriminant=_projection(fitted.discriminant),
        tone=_projection(fitted.tone),
        name_mean=fitted.exemplars.mean,
        bridge=StandardisedBridge(
            classes, *map(torch.from_numpy, (fitted.scale.offset, fitted.scale.spread))
        ),
        weights=(recipe.tone_weight, recipe.bridge_weights),
    )
    texts = NameEncoder(
        torch.from_numpy(mean),
        fitted.exemplars.anchors,
        fitted.exemplars.coefficients,
        sharpness=recipe.sharpness,
    )
    texts.load_state_dict(load_texts().state_dict(), strict=True)
    round_as_halved(images)
    for buffer in (texts.anchors, texts.coefficients):
        buffer.copy_(buffer.half().float())
    return images.eval(), texts.eval()


def _projection(affine: Affine) -> Projection:
    return Projection(affine.offset, affine.weight)


def _described(name: str, store: Path) -> Path:
    """Return the model's folder in the store, with the description of the one that ships."""
    folder = store / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    source = STORE / name / "1" / DESCRIPTION
    if source != folder / DESCRIPTION:
        shutil.copyfile(source, folder / DESCRIPTION)
    return folder


def _size(folder: Path, sizes: list[int]) -> None:
    """Write into the description how many numbers each output has."""
    path = folder / DESCRIPTION
    left = iter(sizes)
    head, outputs, rest = path.read_text(encoding="utf-8").partition("[[outputs]]")
    rest = re.sub(r"shape = \[-1, \d+\]", lambda _: f"shape = [-1, {next(left)}]", rest)
    path.write_text(head + outputs + rest, encoding="utf-8")
