"""The families of checkpoints that are known, and how one is opened with transformers.

Only classes that are named here are built, from tensors that were read here: nothing a folder says can choose
code. Every tensor of a checkpoint must have its place in the model, and the model none without a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.utils import logging

from models.importer import openclip
from models.importer.folder import CONFIG, OPENCLIP_CONFIG, CheckpointFolder
from models.importer.preprocessing import FILE, Preprocessing, understood
from models.importer.refusal import Refused

_LIMITS: Final = {
    "hidden_size": 16_384,
    "intermediate_size": 131_072,
    "num_hidden_layers": 256,
    "num_attention_heads": 256,
    "vocab_size": 2_000_000,
    "max_position_embeddings": 8192,
    "image_size": 2048,
    "patch_size": 256,
    "projection_dim": 16_384,
    "mlp_ratio": 64,
}
_RUN_CODE: Final = ("auto_map", "quantization_config")
_NAMED: Final = 3


@dataclass(frozen=True)
class Family:
    """What is known of one family.

    Attributes:
        title: Its name.
        config: transformers' class of its configuration.
        model: transformers' class of it.
        processor: transformers' class of what prepares its pictures, on Pillow.
        reads: Whether it has a tower for texts.
        whole_rows: Whether its texts are padded to the full length, and padding is seen.
        name_templates: The sentences that it was made to read names in, as its publishers use them.
    """

    title: str
    config: Any
    model: Any
    processor: Any
    reads: bool = True
    whole_rows: bool = False
    name_templates: tuple[str, ...] = ("a photo of a {}.",)


FAMILIES: Final[Mapping[str, Family]] = {
    "clip": Family("CLIP", CLIPConfig, CLIPModel, CLIPImageProcessorPil),
    "siglip": Family(
        "SigLIP",
        SiglipConfig,
        SiglipModel,
        SiglipImageProcessorPil,
        whole_rows=True,
        name_templates=("This is a photo of {}.",),
    ),
    "dinov2": Family("DINOv2", Dinov2Config, Dinov2Model, BitImageProcessorPil, reads=False),
}


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint.

    Attributes:
        folder: Where it lies.
        family: What it is.
        title: The family's name, or OpenCLIP.
        model: In evaluation mode and single precision.
        processor: transformers' own, which prepares pictures for the parity check.
        preprocessing: The same in words that serving understands.
    """

    folder: CheckpointFolder
    family: Family
    title: str
    model: Any
    processor: Any
    preprocessing: Preprocessing

    def towers(self) -> Mapping[str, nn.Module]:
        """Return encoders and projections by name: `vision`, and if it reads, `text`."""
        model = self.model
        if not self.family.reads:
            return {"vision": model, "vision_projection": nn.Identity()}
        identity = nn.Identity()
        return {
            "vision": model.vision_model,
            "vision_projection": getattr(model, "visual_projection", identity),
            "text": model.text_model,
            "text_projection": getattr(model, "text_projection", identity),
        }

    def features(self, kind: str, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return what transformers itself makes of inputs, as unit-norm rows."""
        call: Callable[..., Any] = self.model
        if self.family.reads:
            call = self.model.get_image_features if kind == "vision" else self.model.get_text_features
        with torch.inference_mode():
            found: Tensor = call(**inputs).pooler_output
        return nn.functional.normalize(found, dim=-1)


def opened(folder: CheckpointFolder) -> Checkpoint:
    """Return the model of a folder.

    Raises:
        Refused: It is of no known family, or its files do not agree with one another.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    shapes = folder.shapes()
    own = folder.has(OPENCLIP_CONFIG) and (
        not folder.has(CONFIG) or folder.weights()[0].name.startswith("open_clip")
    )
    described = folder.json(OPENCLIP_CONFIG) if own else {}
    content = openclip.clip_config(described) if own else folder.json(CONFIG)
    family, config = _config(folder, content)
    _plausible(folder, family, config, sum(math.prod(shape) for shape in shapes.values()))
    tensors = _tensors(folder)
    model = _filled(folder, family, config, openclip.clip_tensors(tensors) if own else tensors)
    side = getattr(config, "vision_config", config).image_size
    said = openclip.processor_config(described, size_px=side) if own else folder.json(FILE)
    processor = _processor(family, said)
    preprocessing = understood(processor)
    if family.reads and preprocessing.size_px != side:
        raise Refused(f"{FILE} makes {preprocessing.size_px} pixels, {CONFIG} says image_size = {side}")
    title = "OpenCLIP" if own else family.title
    return Checkpoint(folder, family, title, model, processor, preprocessing)


def _config(folder: CheckpointFolder, content: Mapping[str, Any]) -> tuple[Family, Any]:
    kind = content.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        known = ", ".join(f"{name} ({family.title})" for name, family in FAMILIES.items())
        raise Refused(f"{folder.path / CONFIG} says model_type = {kind!r}; known are {known}, and OpenCLIP")
    for key in _RUN_CODE:
        if key in content:
            raise Refused(f"{folder.path / CONFIG} has {key}: it needs code of its own, and none is run")
    _bounded(folder, content)
    family = FAMILIES[kind]
    try:
        return family, family.config.from_dict(dict(content))
    except Exception as error:  # transformers raises what it finds
        raise Refused(f"{folder.path / CONFIG} is no configuration of {family.title}: {error}") from error


def _bounded(folder: CheckpointFolder, content: Mapping[str, Any]) -> None:
    """Refuse sizes that no model has before anything is built with them."""
    for key, value in content.items():
        if key.endswith("_config") and isinstance(value, Mapping):
            _bounded(folder, value)
        elif key in _LIMITS and not (
            isinstance(value, int | float) and 1 <= value <= _LIMITS[key] and value == int(value)
        ):
            raise Refused(f"{folder.path / CONFIG} says {key} = {value!r}; 1 to {_LIMITS[key]} are possible")


def _plausible(folder: CheckpointFolder, family: Family, config: Any, held: int) -> None:
    """Refuse a configuration that describes another amount of weights, before memory is taken for them."""
    try:
        with torch.device("meta"):
            model = family.model(config)
    except Exception as error:
        raise Refused(f"{folder.path / CONFIG} describes no {family.title}: {error}") from error
    described = sum(tensor.numel() for tensor in model.state_dict().values())
    if described > 2 * held:
        raise Refused(f"{folder.path / CONFIG} describes {described:,} weights, the files have {held:,}")


def _tensors(folder: CheckpointFolder) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for path in folder.weights():
        for name, tensor in load_file(path).items():
            if name.endswith("position_ids"):
                continue  # 0, 1, 2 …: no weights, and written by old versions only
            if tensor.dtype not in {torch.float32, torch.float16, torch.bfloat16, torch.float64}:
                raise Refused(f"{path} has {name} as {tensor.dtype}; weights must be floating-point numbers")
            tensors[name] = tensor.to(torch.float32)
    return tensors


def _filled(folder: CheckpointFolder, family: Family, config: Any, tensors: dict[str, Tensor]) -> Any:
    try:
        model, report = family.model.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            attn_implementation="eager",
        )
    except Exception as error:
        raise Refused(f"{folder.path} does not fit a {family.title}: {error}") from error
    problems = [
        *(f"{name} is missing" for name in sorted(report["missing_keys"])),
        *(f"{name} has no place in a {family.title}" for name in sorted(report["unexpected_keys"])),
        *(
            f"{name} is {list(found)}, the configuration says {list(wanted)}"
            for name, found, wanted in sorted(report["mismatched_keys"])
        ),
    ]
    if problems:
        more = f", and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise Refused(f"{folder.path}: {'; '.join(problems[:_NAMED])}{more}")
    return model.eval()


def _processor(family: Family, said: Mapping[str, Any]) -> Any:
    known = {key: value for key, value in said.items() if not key.endswith("_type")}
    try:
        return family.processor(**known)
    except Exception as error:
        raise Refused(f"{FILE} describes no processor of {family.title}: {error}") from error
