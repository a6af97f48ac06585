"""Tiny checkpoints with random weights, written as Hugging Face's libraries write the real ones."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import onnxruntime
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from tests.models.importer import open_clip
from tests.models.importer.open_clip import TinyOpenClip

SIDE_PX = 32
TOKENS = 24
_END = 1
_UNKNOWN = 2
_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_EYE = {**_TOWER, "image_size": SIDE_PX, "patch_size": 8}
_SENTENCES = (
    "a photo of a goldfinch",
    "a small yellow bird with black wings",
    "two cats sleeping on a red table in the rain",
    "it is twelve o clock and the violin is old",
)


def clip(folder: Path, *, seed: int = 0, inner: int = 64) -> Path:
    """Write a CLIP; one that is wide inside is large."""
    tokenizer = clip_tokenizer()
    torch.manual_seed(seed)
    text = {
        **_TOWER,
        "intermediate_size": inner,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config={**_EYE, "intermediate_size": inner}, projection_dim=24)
    )
    spread(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    square = {"height": SIDE_PX, "width": SIDE_PX}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE_PX}, crop_size=square).save_pretrained(folder)
    return folder


def siglip(folder: Path, *, seed: int = 0) -> Path:
    """Write a SigLIP, whose tokenizer is in SentencePiece's form and, without its rules, in a fast one."""
    folder.mkdir(parents=True)
    pieces = _pieces(folder)
    torch.manual_seed(seed)
    text = {**_TOWER, "vocab_size": pieces, "max_position_embeddings": TOKENS, "projection_size": 32}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=_EYE))
    spread(model).save_pretrained(folder)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    SiglipImageProcessorPil(size=size, resample=3).save_pretrained(folder)
    return folder


def dinov2(folder: Path, *, seed: int = 0) -> Path:
    """Write a DINOv2 that was trained at another size than it is asked at, as the real ones."""
    torch.manual_seed(seed)
    eye = {key: value for key, value in _EYE.items() if key != "intermediate_size"}
    model = Dinov2Model(Dinov2Config(**{**eye, "image_size": 56}))
    spread(model).save_pretrained(folder)
    square = {"height": SIDE_PX, "width": SIDE_PX}
    BitImageProcessorPil(
        size={"shortest_edge": 40}, crop_size=square, image_mean=[0.485, 0.456, 0.406]
    ).save_pretrained(folder)
    return folder


def openclip(folder: Path, *, seed: int = 0) -> TinyOpenClip:
    """Write an OpenCLIP and return what it must compute."""
    tokenizer = clip_tokenizer()
    model = open_clip.write(folder, vocabulary=len(tokenizer), seed=seed)
    tokenizer.save_pretrained(folder)
    return model


def edit(path: Path, **changes: Any) -> None:
    """Change what a JSON file says; `a__b` is b inside a, and None takes it away."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *outer, last = key.split("__")
        inside = content
        for name in outer:
            inside = inside[name]
        if value is None:
            inside.pop(last)
        else:
            inside[last] = value
    path.write_text(json.dumps(content), encoding="utf-8")


def retensor(folder: Path, **changes: torch.Tensor | None) -> None:
    """Change, add or with None remove tensors of `model.safetensors`; `.` is written as `__`."""
    tensors = load_file(folder / "model.safetensors")
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value
    save_file(tensors, folder / "model.safetensors")


def shard(folder: Path) -> None:
    """Part the weights into two files with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    placed = {}
    for number, some in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in some}, folder / file)
        placed.update(dict.fromkeys(some, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}), encoding="utf-8")


def spread(model: Any) -> Any:
    """Let weights be large enough that pictures and texts differ in what comes out."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
            elif parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def clip_tokenizer() -> Any:
    """Return a tokenizer of single letters."""
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])


def _pieces(folder: Path) -> int:
    """Write both forms of a tokenizer of single letters and some pairs; return how many there are."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 20),
        model_writer=trained,
        vocab_size=60,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        pad_id=0,
        eos_id=_END,
        unk_id=_UNKNOWN,
        bos_id=-1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    size = int(pieces.get_piece_size())
    scored = [(pieces.id_to_piece(place), pieces.get_score(place)) for place in range(size)]
    fast = Tokenizer(Unigram(scored, unk_id=_UNKNOWN))
    fast.pre_tokenizer = pre_tokenizers.Metaspace()
    fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", _END)])
    fast.save(str(folder / "tokenizer.json"))
    (folder / "spiece.model").write_bytes(trained.getvalue())
    said = {"tokenizer_class": "SiglipTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    return size


def halve(folder: Path) -> None:
    """Store the weights in half precision."""
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor.to(torch.float16) for name, tensor in tensors.items()}, folder / "model.safetensors"
    )


def rendered(folder: Path, images: Any) -> Any:
    """Return what the graph of a rendered Triton model computes, with the weights that it points at."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return session.run(["embeddings"], {"crops": images})[0]
