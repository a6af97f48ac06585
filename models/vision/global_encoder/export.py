"""Makes the models `fovea-global` and `fovea-text` of fitted matrices."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.bridge.export import class_embeddings
from models.bridge.network import StandardisedBridge
from models.export import DESCRIPTION, GRAPH, STORE, compare, stamp, write_graph
from models.text.export import NAME_MEAN, tokenizer
from models.text.export import load_encoder as load_texts
from models.vision.efficientnet.export import MEAN
from models.vision.efficientnet.export import load_encoder as load_images
from models.vision.global_encoder.fitting import Affine
from models.vision.global_encoder.network import GlobalEncoder, NameEncoder, Projection, Reading
from models.vision.global_encoder.recipe import Fitted, Recipe
from models.vision.preparation import DEFAULTS

GLOBAL: Final = "fovea-global"
TEXT: Final = "fovea-text"
TOLERANCE: Final = 1e-4
_HALVED_FROM: Final = 1024
"""Smaller weights stay as they are: offsets, whose rounding would be felt."""
_NORMED: Final = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)
"""Each convolution and the batch norm after it, wherever they are."""


def load_reading() -> Reading:
    """Return the frozen part with the packaged weights."""
    return Reading(load_images(np.load(MEAN)).trunk).eval()


def fold_norms(reading: Reading) -> Reading:
    """Put each norm into the convolution before it: onnxruntime cannot where weights are stored halved."""
    for module in (reading.trunk, *reading.trunk._blocks):  # noqa: SLF001  (the names are the weights')
        for convolution, norm in _NORMED:
            if hasattr(module, convolution):
                fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, fused)
                setattr(module, norm, nn.Identity())
    return reading


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
    images = GlobalEncoder(
        fold_norms(load_reading()),
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
    _round(images)
    for buffer in (texts.anchors, texts.coefficients):
        buffer.copy_(buffer.half().float())
    return images.eval(), texts.eval()


def halve(path: Path) -> None:
    """Store a graph's large weights in 16 bits and cast them back in it; smaller ones and fed ones stay."""
    model = onnx.load_model(path, load_external_data=False)
    casts = []
    for tensor in model.graph.initializer:
        is_fed = tensor.data_location == TensorProto.EXTERNAL
        if is_fed or tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _HALVED_FROM:
            continue
        name = tensor.name
        halved = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half")
        tensor.CopyFrom(halved)
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _round(module: nn.Module) -> None:
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.numel() >= _HALVED_FROM:
                tensor.copy_(tensor.half().float())


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
