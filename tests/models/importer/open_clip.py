"""A tiny OpenCLIP, built from its published structure and not from transformers': the oracle of its import.

Names and order of operations are those of OpenCLIP's plain towers: pre-norm blocks around torch's own
multi-head attention, the class token read after a norm, texts read at their highest token.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

SIDE_PX = 32
_PATCH_PX = 8
_WIDTH = 32
_HEAD_WIDTH = 8
_DIM = 24
_TOKENS = 24


class _Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_fc = nn.Linear(_WIDTH, 4 * _WIDTH)
        self.c_proj = nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        wide = self.c_fc(hidden)
        found: Tensor = self.c_proj(wide * torch.sigmoid(1.702 * wide))  # the quick GELU
        return found


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(_WIDTH)
        self.attn = nn.MultiheadAttention(_WIDTH, _WIDTH // _HEAD_WIDTH, batch_first=True)
        self.ln_2 = nn.LayerNorm(_WIDTH)
        self.mlp = _Mlp()

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        normed = self.ln_1(hidden)
        hidden = hidden + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        found: Tensor = hidden + self.mlp(self.ln_2(hidden))
        return found


class _Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block() for _ in range(2))

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            hidden = block(hidden, mask)
        return hidden


class _Visual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTH, _PATCH_PX, _PATCH_PX, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(_WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn((SIDE_PX // _PATCH_PX) ** 2 + 1, _WIDTH))
        self.ln_pre = nn.LayerNorm(_WIDTH)
        self.transformer = _Transformer()
        self.ln_post = nn.LayerNorm(_WIDTH)
        self.proj = nn.Parameter(torch.randn(_WIDTH, _DIM))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        hidden = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        found: Tensor = self.ln_post(self.transformer(hidden)[:, 0]) @ self.proj
        return found


class TinyOpenClip(nn.Module):
    """Pictures and texts to unit-norm rows."""

    def __init__(self, *, seed: int, vocabulary: int) -> None:
        torch.manual_seed(seed)
        super().__init__()
        self.visual = _Visual()
        self.token_embedding = nn.Embedding(vocabulary, _WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(_TOKENS, _WIDTH))
        self.transformer = _Transformer()
        self.ln_final = nn.LayerNorm(_WIDTH)
        self.text_projection = nn.Parameter(torch.randn(_WIDTH, _DIM))
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.normal_(parameter, 0.5, 0.5)

    def pictures(self, pixels: Tensor) -> Tensor:
        return nn.functional.normalize(self.visual(pixels), dim=-1)

    def texts(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        mask = torch.full((length, length), -torch.inf).triu(1)
        hidden = self.token_embedding(tokens) + self.positional_embedding[:length]
        hidden = self.ln_final(self.transformer(hidden, mask))
        read = hidden[torch.arange(len(tokens)), tokens.argmax(dim=-1)]
        return nn.functional.normalize(read @ self.text_projection, dim=-1)


def write(folder: Path, *, vocabulary: int, seed: int = 0) -> TinyOpenClip:
    """Write the folder without its tokenizer, and return what it must compute."""
    folder.mkdir(parents=True, exist_ok=True)
    model = TinyOpenClip(seed=seed, vocabulary=vocabulary).eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    said = {
        "model_cfg": {
            "embed_dim": _DIM,
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": SIDE_PX,
                "layers": 2,
                "width": _WIDTH,
                "head_width": _HEAD_WIDTH,
                "patch_size": _PATCH_PX,
            },
            "text_cfg": {
                "context_length": _TOKENS,
                "vocab_size": vocabulary,
                "width": _WIDTH,
                "heads": _WIDTH // _HEAD_WIDTH,
                "layers": 2,
            },
        },
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "resize_mode": "squash"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(said), encoding="utf-8")
    return model
