"""OpenCLIP's folders (`open_clip_config.json`) in the words of transformers' CLIP.

Source of the names: the state dict of OpenCLIP's plain transformer towers, and that of transformers' CLIP.
Towers of other make (timm's, those with a text model from a hub) have other names, and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from models.importer.folder import OPENCLIP_CONFIG
from models.importer.refusal import Refused

_VISION_KEYS: Final = {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"}
_TEXT_KEYS: Final = {
    "context_length",
    "vocab_size",
    "width",
    "heads",
    "layers",
    "mlp_ratio",
    "hf_tokenizer_name",
}
_MODEL_KEYS: Final = {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"}
_CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
_RESAMPLES: Final = {"bilinear": 2, "bicubic": 3}
_TOPS: Final = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.": "vision_model.pre_layrnorm.",
    "visual.ln_post.": "vision_model.post_layernorm.",
    "token_embedding.": "text_model.embeddings.token_embedding.",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.": "text_model.final_layer_norm.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "transformer.resblocks.": "text_model.encoder.layers.",
}
_INSIDE: Final = {
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".attn.out_proj.": ".self_attn.out_proj.",
    ".mlp.c_fc.": ".mlp.fc1.",
    ".mlp.c_proj.": ".mlp.fc2.",
}
_PROJECTIONS: Final = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}


def clip_config(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config.json` of the same model.

    Raises:
        Refused: It has a tower that is not OpenCLIP's own transformer.
    """
    model = _known(content.get("model_cfg"), _MODEL_KEYS, "model_cfg")
    vision = _known(model.get("vision_cfg"), _VISION_KEYS, "vision_cfg")
    text = _known(model.get("text_cfg"), _TEXT_KEYS, "text_cfg")
    activation = "quick_gelu" if model.get("quick_gelu") else "gelu"
    try:
        return {
            "model_type": "clip",
            "projection_dim": model["embed_dim"],
            "vision_config": {
                **_tower(vision, heads=vision["width"] // vision.get("head_width", 64)),
                "hidden_act": activation,
                "image_size": vision["image_size"],
                "patch_size": vision["patch_size"],
            },
            "text_config": {
                **_tower(text, heads=text["heads"]),
                "hidden_act": activation,
                "vocab_size": text["vocab_size"],
                "max_position_embeddings": text["context_length"],
                "eos_token_id": 2,  # which means: read at the highest id, as OpenCLIP does
            },
        }
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise Refused(f"{OPENCLIP_CONFIG} does not say the sizes of its towers: {error!r}") from error


def processor_config(content: Mapping[str, Any], *, size_px: int) -> dict[str, Any]:
    """Return `preprocessor_config.json` of the same model. Raises Refused."""
    said = content.get("preprocess_cfg") or {}
    mode, filtered = said.get("resize_mode", "shortest"), said.get("interpolation", "bicubic")
    if mode not in {"shortest", "squash"} or filtered not in _RESAMPLES:
        raise Refused(f"{OPENCLIP_CONFIG} resizes with {mode} and {filtered}, which is not known here")
    square = {"height": size_px, "width": size_px}
    return {
        "size": square if mode == "squash" else {"shortest_edge": size_px},
        "crop_size": square,
        "resample": _RESAMPLES[filtered],
        "image_mean": said.get("mean", _CLIP_MEAN),
        "image_std": said.get("std", _CLIP_STD),
    }


def clip_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under transformers' names; what has none keeps its own, and is refused by it."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in _PROJECTIONS:
            renamed[_PROJECTIONS[name]] = tensor.T.contiguous()
        elif ".attn.in_proj_" in name:
            kind = name.rpartition("_")[2]
            owner = _renamed(name).partition(".attn.")[0]
            for part, third in zip("qkv", torch.chunk(tensor, 3), strict=True):
                renamed[f"{owner}.self_attn.{part}_proj.{kind}"] = third.contiguous()
        else:
            renamed[_renamed(name)] = tensor
    return renamed


def _renamed(name: str) -> str:
    for old, new in _TOPS.items():
        if name.startswith(old):
            name = new + name.removeprefix(old)
            break
    for old, new in _INSIDE.items():
        name = name.replace(old, new)
    return name


def _known(content: Any, keys: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise Refused(f"{OPENCLIP_CONFIG} has no {what}")
    unknown = sorted(content.keys() - keys)
    if unknown:
        raise Refused(
            f"{OPENCLIP_CONFIG} says {what}.{unknown[0]}: only OpenCLIP's own transformer towers are imported"
        )
    return content


def _tower(said: Mapping[str, Any], *, heads: int) -> dict[str, Any]:
    return {
        "hidden_size": said["width"],
        "intermediate_size": int(said["width"] * said.get("mlp_ratio", 4)),
        "num_hidden_layers": said["layers"],
        "num_attention_heads": heads,
    }
