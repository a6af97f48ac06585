"""Tiny detectors with random weights, written as Hugging Face's libraries write the real ones."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
    SwinConfig,
)

from tests.models.importer.checkpoints import clip_tokenizer, edit, spread

SIDE_PX = 64
JOINT_TOKENS = 96
SEPARATE_TOKENS = 24
_VOCABULARY = 1120
_WORDS = 170_000
_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def grounding_dino(folder: Path, *, seed: int = 0) -> Path:
    """Write a GroundingDINO that is large, for the words that it could know."""
    torch.manual_seed(seed)
    backbone = SwinConfig(
        image_size=SIDE_PX,
        embed_dim=8,
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 2, 2],
        window_size=3,
        out_indices=[2, 3, 4],
    )
    text = BertConfig(**{**_TOWER, "num_hidden_layers": 1}, vocab_size=_WORDS, max_position_embeddings=128)
    config = GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        num_queries=20,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        d_model=64,
        max_text_len=JOINT_TOKENS,
    )
    spread(GroundingDinoForObjectDetection(config)).save_pretrained(folder)
    bert_tokenizer().save_pretrained(folder)
    _processor(folder, size={"shortest_edge": SIDE_PX, "longest_edge": 96})
    return folder


def owlv2(folder: Path, *, seed: int = 0) -> Path:
    """Write an OWLv2."""
    tokenizer = clip_tokenizer()
    torch.manual_seed(seed)
    text = {
        **_TOWER,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": SEPARATE_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {**_TOWER, "image_size": SIDE_PX, "patch_size": 16}
    model = Owlv2ForObjectDetection(Owlv2Config(text_config=text, vision_config=vision, projection_dim=32))
    spread(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _processor(folder, size={"height": SIDE_PX, "width": SIDE_PX})
    return folder


def sam(folder: Path, *, seed: int = 0) -> Path:
    """Write a SAM with a layer of windows that do not fit, and one that sees all."""
    torch.manual_seed(seed)
    vision = SamVisionConfig(
        hidden_size=32,
        output_channels=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE_PX,
        patch_size=8,
        window_size=3,
        global_attn_indexes=[1],
        num_pos_feats=16,
        mlp_dim=64,
    )
    prompts = SamPromptEncoderConfig(hidden_size=32, image_size=SIDE_PX, patch_size=8, mask_input_channels=4)
    masks = SamMaskDecoderConfig(hidden_size=32, mlp_dim=64, num_attention_heads=2, iou_head_hidden_dim=32)
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=masks)
    spread(SamModel(config)).save_pretrained(folder)
    _processor(folder, size={"longest_edge": SIDE_PX}, pad_size={"height": SIDE_PX, "width": SIDE_PX})
    return folder


def sam2(folder: Path, *, seed: int = 0) -> Path:
    """Write a SAM 2 as it is published: as a model of videos, with weights of a memory."""
    torch.manual_seed(seed)
    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE_PX, SIDE_PX],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[4, 2, 3, 2],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[3, 3],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=32,
    )
    prompts = Sam2PromptEncoderConfig(
        hidden_size=32, image_size=SIDE_PX, patch_size=16, mask_input_channels=4
    )
    masks = Sam2MaskDecoderConfig(hidden_size=32, mlp_dim=64, num_attention_heads=2, iou_head_hidden_dim=32)
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=masks)
    spread(Sam2Model(config)).save_pretrained(folder)
    edit(folder / "config.json", model_type="sam2_video", memory_attention_hidden_size=32)
    tensors = load_file(folder / "model.safetensors")
    tensors["memory_attention.layers.0.linear1.weight"] = torch.zeros(4, 4)
    save_file(tensors, folder / "model.safetensors")
    _processor(folder, size={"height": SIDE_PX, "width": SIDE_PX})
    return folder


def bert_tokenizer() -> Any:
    """Return a tokenizer of single letters whose separators have the numbers of the published one."""
    tokens = [f"[unused{number}]" for number in range(_VOCABULARY)]
    tokens[0], tokens[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens[1010], tokens[1012], tokens[1029] = ",", ".", "?"
    letters = string.ascii_lowercase
    tokens[1040 : 1040 + 2 * len(letters)] = [*letters, *(f"##{letter}" for letter in letters)]
    return BertTokenizer(vocab={token: number for number, token in enumerate(tokens)})


def _processor(folder: Path, **said: Any) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(said), encoding="utf-8")
