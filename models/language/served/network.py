"""The Llama with its matrices as they are packaged: what is exported, and what the graph is fed with.

`MatMulNBits` is an operator of onnxruntime that torch knows nothing of, so this module is only there to be
exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from models.language.blocks import BLOCK
from models.language.network import SCALE, AdaptedLinear, Linear, Llama
from models.language.served.packing import CODES, LIFTS, LOWER, SCALES, UPPER

_EXACT: Final = 0
"""Activations stay in single precision."""


def matmul(hidden: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    """Return activations times a matrix of codes of 4 bits whose zero is 8; only a graph can."""
    rows, count = codes.shape[0], codes.shape[1] * BLOCK
    return torch.onnx.ops.symbolic(
        "com.microsoft::MatMulNBits",
        (hidden, codes, scales),
        {"K": count, "N": rows, "bits": 4, "block_size": BLOCK, "accuracy_level": _EXACT},
        dtype=hidden.dtype,
        shape=(*hidden.shape[:-1], rows),
        version=1,
    )


def lifted(hidden: Tensor, codes: Tensor, scales: Tensor, lifts: Tensor) -> Tensor:
    """Return the same where each block has a lift."""
    return matmul(hidden, codes, scales) + hidden.unflatten(-1, (-1, BLOCK)).sum(-1) @ lifts


class PackedLinear(nn.Module):
    """A matrix of 4 bits, and the adapter beside it if there is one."""

    codes: Tensor
    scales: Tensor
    lifts: Tensor

    def __init__(self, packed: Mapping[str, Tensor], linear: Linear) -> None:
        super().__init__()
        for name, value in packed.items():
            self.register_buffer(name, value)
        self.is_adapted = isinstance(linear, AdaptedLinear)
        if isinstance(linear, AdaptedLinear):
            self.down = nn.Parameter(linear.down.detach().T.contiguous())
            self.up = nn.Parameter((linear.up.detach() * SCALE).T.contiguous())

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (..., channels_out)."""
        found = lifted(hidden, self.codes, self.scales, self.lifts)
        return found + hidden @ self.down @ self.up if self.is_adapted else found


class PackedEmbedding(nn.Module):
    """A vector of 8 bits for each token, its upper halves and its lower ones apart."""

    upper: Tensor
    lower: Tensor
    scales: Tensor
    lifts: Tensor

    def __init__(self, packed: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, value in packed.items():
            self.register_buffer(name, value)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return (batch, token, width)."""
        tokens = input_ids.flatten()
        upper, lower = (_apart(codes.index_select(0, tokens)) for codes in (self.upper, self.lower))
        weights = (16 * upper + lower - 128) * self.scales.index_select(0, tokens)[..., None]
        return weights.reshape(*input_ids.shape, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logit of every token, (..., vocabulary)."""
        upper = matmul(16 * hidden, self.upper, self.scales)
        return upper + lifted(hidden, self.lower, self.scales, self.lifts)


class ServedLlama(Llama):
    """A Llama whose matrices were put in place of those of another.

    Args:
        llama: Gives its adapters and its norms.
        packed: Its matrices, by name.
    """

    def __init__(self, llama: Llama, packed: Mapping[str, Tensor]) -> None:
        super().__init__(llama.shape, rank=1)
        for name, module in llama.named_modules():
            if isinstance(module, Linear):
                self.set_submodule(name, PackedLinear(_of(packed, name), module))
        self.token_embd = PackedEmbedding(_of(packed, "token_embd"))
        for name, norm in packed.items():
            if name.endswith("norm.weight"):
                self.get_parameter(name).data = norm

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logit of every token behind hidden states, (..., vocabulary)."""
        found: Tensor = self.token_embd.logits(hidden)
        return found


def _apart(codes: Tensor) -> Tensor:
    """Return the numbers that lie two in a byte, (..., 2 * byte)."""
    both = codes.float()
    second = (both / 16).floor()
    return torch.stack([both - 16 * second, second], -1).flatten(-2)


def _of(packed: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    kinds = (CODES, UPPER, LOWER, SCALES, LIFTS)
    return {kind[1:]: packed[name + kind] for kind in kinds if name + kind in packed}
