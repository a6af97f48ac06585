"""From a folder's configuration and tensors to a model of transformers, of a class that was chosen here.

Every tensor of a checkpoint must have its place in the model, and the model none without a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers.utils import logging

from models.importer.folder import CONFIG, CheckpointFolder
from models.importer.preprocessing import FILE
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
    "d_model": 16_384,
    "embed_dim": 16_384,
    "encoder_layers": 256,
    "decoder_layers": 256,
    "encoder_ffn_dim": 131_072,
    "decoder_ffn_dim": 131_072,
    "encoder_attention_heads": 256,
    "decoder_attention_heads": 256,
    "encoder_n_points": 256,
    "decoder_n_points": 256,
    "num_queries": 16_384,
    "num_feature_levels": 16,
    "max_text_len": 8192,
    "depths": 256,
    "num_heads": 256,
    "window_size": 2048,
    "mlp_dim": 131_072,
    "output_channels": 16_384,
    "fpn_hidden_size": 16_384,
    "blocks_per_stage": 256,
    "embed_dim_per_stage": 16_384,
    "num_attention_heads_per_stage": 256,
    "window_size_per_stage": 2048,
    "num_multimask_outputs": 64,
    "iou_head_depth": 64,
    "iou_head_hidden_dim": 16_384,
}
_MOST_STAGES: Final = 16
_COUNTED: Final = ("position_ids", "relative_position_index")
_RUN_CODE: Final = ("auto_map", "quantization_config")
_NAMED: Final = 3


@runtime_checkable
class Make(Protocol):
    """Which classes of transformers a family is made of."""

    @property
    def title(self) -> str:
        """Its name."""
        ...

    @property
    def config(self) -> Any:
        """The class of its configuration."""
        ...

    @property
    def model(self) -> Any:
        """The class of it."""
        ...

    @property
    def attention(self) -> Any:
        """How transformers is to compute attention, of the whole or by part."""
        ...

    @property
    def processor(self) -> Any:
        """The class of what prepares its pictures."""
        ...


def quiet() -> None:
    """Let transformers say nothing of what is checked here."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def configured(folder: CheckpointFolder, make: Make, content: Mapping[str, Any]) -> Any:
    """Return the configuration that a folder describes.

    Raises:
        Refused: It asks for code of its own, for sizes that no model has, or is no configuration of these.
    """
    for key in _RUN_CODE:
        if key in content:
            raise Refused(f"{folder.path / CONFIG} has {key}: it needs code of its own, and none is run")
    _bounded(folder, content)
    try:
        return make.config.from_dict(dict(content))
    except Exception as error:  # transformers raises what it finds
        raise Refused(f"{folder.path / CONFIG} is no configuration of {make.title}: {error}") from error


def _bounded(folder: CheckpointFolder, content: Mapping[str, Any]) -> None:
    """Refuse sizes that no model has before anything is built with them."""
    for key, value in content.items():
        if key.endswith("_config") and isinstance(value, Mapping):
            _bounded(folder, value)
        elif key in _LIMITS and not _possible(value, _LIMITS[key]):
            raise Refused(f"{folder.path / CONFIG} says {key} = {value!r}; 1 to {_LIMITS[key]} are possible")


def _possible(value: Any, most: int) -> bool:
    """Return whether a size, or the size of each stage, is one that can be."""
    if isinstance(value, list):
        return 1 <= len(value) <= _MOST_STAGES and all(_possible(each, most) for each in value)
    return isinstance(value, int | float) and 1 <= value <= most and value == int(value)


def plausible(folder: CheckpointFolder, make: Make, config: Any) -> None:
    """Refuse a configuration that describes another amount of weights, before memory is taken for them."""
    held = sum(math.prod(shape) for shape in folder.shapes().values())
    try:
        with torch.device("meta"):
            model = make.model(config)
    except Exception as error:
        raise Refused(f"{folder.path / CONFIG} describes no {make.title}: {error}") from error
    described = sum(tensor.numel() for tensor in model.state_dict().values())
    if described > 2 * held:
        raise Refused(f"{folder.path / CONFIG} describes {described:,} weights, the files have {held:,}")


def tensors_of(folder: CheckpointFolder) -> dict[str, Tensor]:
    """Return the weights in single precision. Raises Refused if some are no floating-point numbers."""
    tensors: dict[str, Tensor] = {}
    for path in folder.weights():
        for name, tensor in load_file(path).items():
            if name.endswith(_COUNTED):
                continue  # 0, 1, 2 …: no weights, and written by old versions only
            if tensor.dtype not in {torch.float32, torch.float16, torch.bfloat16, torch.float64}:
                raise Refused(f"{path} has {name} as {tensor.dtype}; weights must be floating-point numbers")
            tensors[name] = tensor.to(torch.float32)
    return tensors


def filled(folder: CheckpointFolder, make: Make, config: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the model in evaluation mode. Raises Refused unless tensors and configuration agree."""
    try:
        model, report = make.model.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            attn_implementation=make.attention,
        )
    except Exception as error:
        raise Refused(f"{folder.path} does not fit a {make.title}: {error}") from error
    problems = [
        *(f"{name} is missing" for name in sorted(report["missing_keys"])),
        *(f"{name} has no place in a {make.title}" for name in sorted(report["unexpected_keys"])),
        *(
            f"{name} is {list(found)}, the configuration says {list(wanted)}"
            for name, found, wanted in sorted(report["mismatched_keys"])
        ),
    ]
    if problems:
        more = f", and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise Refused(f"{folder.path}: {'; '.join(problems[:_NAMED])}{more}")
    return model.eval()


def processor_of(make: Make, said: Mapping[str, Any]) -> Any:
    """Return what prepares pictures. Raises Refused."""
    known = {key: value for key, value in said.items() if not key.endswith("_type")}
    try:
        return make.processor(**known)
    except Exception as error:
        raise Refused(f"{FILE} describes no processor of {make.title}: {error}") from error
