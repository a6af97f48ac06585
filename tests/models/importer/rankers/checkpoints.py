"""Tiny language models that see pictures, with random weights, as Hugging Face's libraries write them."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE

from tests.models.importer.checkpoints import spread

SIDE_PX = 32
MARK = "\u2581"
_EYE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": SIDE_PX,
    "patch_size": 8,
}
_READER = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
TEMPLATES = {
    "llava": "{{ message['role'].upper() + ': ' }}{{ '<image>\n' }}{{ 'ASSISTANT:' }}",
    "llava-mistral": "{{ '[INST] ' }}{{ '<image>\n' }}{{ ' [/INST]' }}",
    "llava-qwen": "{{ '<|im_start|>' + message['role'] + ' ' }}{{ '<image>\n' }}{{ '<|im_end|>' }}",
}
IDEFICS3_TEMPLATE = "<|begin_of_text|>" + DEFAULT_CHAT_TEMPLATE.removeprefix("<|im_start|>")


def llava(folder: Path) -> Path:
    """Write one as the first were: CLIP, Llama, and a tokenizer that puts a blank before every piece."""
    tokenizer = _sentence_pieces()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    reader = LlamaConfig(**_READER, vocab_size=_size(tokenizer), bos_token_id=1, eos_token_id=2)
    return _written(folder, tokenizer, reader, _clip(), chat="llava")


def mistral(folder: Path) -> Path:
    """Write one with a Mistral, and a tokenizer that puts a blank before the first piece alone."""
    tokenizer = _sentence_pieces()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    reader = MistralConfig(**_READER, vocab_size=_size(tokenizer), sliding_window=None)
    return _written(folder, tokenizer, reader, _clip(), chat="llava-mistral")


def qwen(folder: Path, *, inner: int = 64) -> Path:
    """Write one with SigLIP, Qwen2 with its head tied, and a tokenizer of bytes that adds nothing."""
    tokenizer = _bytes()
    wide = {**_READER, "intermediate_size": inner}
    reader = Qwen2Config(**wide, vocab_size=_size(tokenizer), tie_word_embeddings=True)
    eye = SiglipVisionConfig(**_EYE, vision_use_head=False)
    return _written(folder, tokenizer, reader, eye, chat="llava-qwen")


def idefics3(folder: Path) -> Path:
    """Write one of Llama 3's layout: a tower of patches with places, and one token for four of them."""
    config = Idefics3Config(**_patched(_tiled("<|begin_of_text|>")), scale_factor=2)
    processor = Idefics3ImageProcessorPil(**_TILED)
    return _shuffled(
        folder, Idefics3ForConditionalGeneration(config), processor, "<|begin_of_text|>", IDEFICS3_TEMPLATE
    )


def smolvlm(folder: Path) -> Path:
    """Write one as SmolVLM2 is: the same of other classes, with its head tied."""
    config = SmolVLMConfig(**_patched(_tiled("<|im_start|>"), tied=True), scale_factor=2)
    processor = SmolVLMImageProcessorPil(**_TILED)
    return _shuffled(
        folder, SmolVLMForConditionalGeneration(config), processor, "<|im_start|>", DEFAULT_CHAT_TEMPLATE
    )


def laid_out(folder: Path, question: str, square: np.ndarray) -> Any:
    """Return what the publishers' processor and template make of a picture and a question, without tiles."""
    said = json.loads((folder / "chat_template.json").read_text(encoding="utf-8"))["chat_template"]
    factor = json.loads((folder / "config.json").read_text(encoding="utf-8"))["scale_factor"]
    processor = Idefics3Processor(
        Idefics3ImageProcessorPil(**_TILED, do_image_splitting=False, do_resize=False),
        PreTrainedTokenizerFast.from_pretrained(folder),
        image_seq_len=(SIDE_PX // _EYE["patch_size"] // factor) ** 2,
        chat_template=said,
    )
    turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
    text = processor.apply_chat_template([turn], add_generation_prompt=True)
    return processor(text=text, images=[Image.fromarray(square)], return_tensors="pt")


def _written(folder: Path, tokenizer: Tokenizer, reader: Any, eye: Any, *, chat: str) -> Path:
    torch.manual_seed(0)
    clip = eye.model_type == "clip_vision_model"
    config = LlavaConfig(
        vision_config=eye,
        text_config=reader,
        image_token_index=tokenizer.token_to_id("<image>"),
        vision_feature_layer=-2 if clip else -1,
        vision_feature_select_strategy="default" if clip else "full",
        image_seq_length=16,
        tie_word_embeddings=bool(reader.tie_word_embeddings),
    )
    spread(LlavaForConditionalGeneration(config)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = ("", "<|im_end|>") if chat == "llava-qwen" else ("<s>", "</s>")
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": ends[1]}
    if ends[0]:
        said["bos_token"] = ends[0]
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    (folder / "chat_template.json").write_text(
        json.dumps({"chat_template": TEMPLATES[chat]}), encoding="utf-8"
    )
    square = {"height": SIDE_PX, "width": SIDE_PX}
    if clip:
        CLIPImageProcessorPil(size={"shortest_edge": SIDE_PX}, crop_size=square).save_pretrained(folder)
    else:
        SiglipImageProcessorPil(size=square, resample=3).save_pretrained(folder)
    return folder


_TILED: dict[str, Any] = {
    "size": {"longest_edge": 4 * SIDE_PX},
    "max_image_size": {"longest_edge": SIDE_PX},
    "resample": 1,
}


def _patched(tokenizer: Tokenizer, *, tied: bool = False) -> dict[str, Any]:
    reader = LlamaConfig(**_READER, vocab_size=_size(tokenizer), tie_word_embeddings=tied)
    token = tokenizer.token_to_id("<image>")
    return {
        "vision_config": _EYE,
        "text_config": reader,
        "image_token_id": token,
        "tie_word_embeddings": tied,
    }


def _tiled(start: str) -> Tokenizer:
    around = ("<fake_token_around_image>", "<global-img>", "<row_1_col_1>", "<end_of_utterance>")
    return _bytes(start, "<|im_end|>", "<image>", *around)


def _shuffled(folder: Path, model: Any, processor: Any, start: str, template: str) -> Path:
    torch.manual_seed(0)
    spread(model).save_pretrained(folder)
    _tiled(start).save(str(folder / "tokenizer.json"))
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": start,
        "eos_token": "<end_of_utterance>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")
    processor.save_pretrained(folder)
    return folder


def _clip() -> Any:
    return CLIPVisionConfig(**_EYE)


def _size(tokenizer: Tokenizer) -> int:
    return int(tokenizer.get_vocab_size(with_added_tokens=True))


def _sentence_pieces() -> Tokenizer:
    """Return letters, letters behind a blank, bytes for all else, and special tokens."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), MARK]
    pieces += [*string.ascii_letters, *string.digits, *".,:?'-<>\"", "owl", "ow"]
    merges = [("o", "w"), ("ow", "l")]
    for letter in string.ascii_letters:
        pieces.append(MARK + letter)
        merges.append((MARK, letter))
    tokenizer = Tokenizer(
        BPE(
            {piece: number for number, piece in enumerate(pieces)},
            merges,
            unk_token="<unk>",  # noqa: S106  (a word of the vocabulary)
            byte_fallback=True,
        )
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>", "<image>")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def _bytes(*special: str) -> Tokenizer:
    """Return bytes, capitals behind a blank, and special tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    blank = "\u0120"
    pieces = [*alphabet, *(blank + letter for letter in string.ascii_uppercase)]
    merges = [(blank, letter) for letter in string.ascii_uppercase]
    tokenizer = Tokenizer(BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True) for token in special or ("<|im_start|>", "<|im_end|>", "<image>")]
    )
    return tokenizer
