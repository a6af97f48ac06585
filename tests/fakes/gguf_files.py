"""Small GGUF files, written byte by byte: a Llama of chance, stored as the packaged one is, and its words."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.language.weights import Shape, tensor_shapes

SMALL = Shape(layers=2, width=64, heads=4, key_heads=2, inner_width=96, vocabulary=32)
F32, Q4_1, Q8_0 = 0, 3, 8
_U32, _I32, _F32, _BOOL, _STRING, _ARRAY, _U64 = 4, 5, 6, 7, 8, 9, 10
_ALIGNMENT = 32

Value = str | int | float | bool | list[str] | list[int]


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def field(name: str, value: Value) -> bytes:
    return text(name) + _typed(value)


def _typed(value: Value) -> bytes:
    if isinstance(value, list):
        kind = _STRING if isinstance(value[0], str) else _I32
        return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(_typed(each)[4:] for each in value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    return struct.pack("<If", _F32, value) if isinstance(value, float) else struct.pack("<Ii", _I32, value)


def gguf(
    fields: Mapping[str, Value],
    tensors: Mapping[str, tuple[int, tuple[int, ...], bytes]],
    *,
    version: int = 3,
) -> bytes:
    """Return a file.

    Args:
        fields: By name.
        tensors: By name: how it is stored, its shape with the slowest axis first, its bytes.
        version: Of the format.
    """
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(fields))
    head += b"".join(field(name, value) for name, value in fields.items())
    data = b""
    for name, (kind, shape, values) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", kind, len(data))
        data += values + bytes(-len(values) % _ALIGNMENT)
    return head + bytes(-len(head) % _ALIGNMENT) + data


def vocabulary() -> tuple[list[str], list[str]]:
    """Return the tokens and the merges of a vocabulary of a few letters."""
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "a", "b", "c", "Ġ", "Ċ", "0", "1", "ab", "Ġa"]
    return tokens, ["a b", "Ġ a"]


def language_fields(shape: Shape = SMALL) -> dict[str, Value]:
    """Return the fields of a small language model."""
    tokens, merges = vocabulary()
    tokens += [f"unused{number}" for number in range(len(tokens), shape.vocabulary)]
    return {
        "general.architecture": "llama",
        "llama.block_count": shape.layers,
        "llama.embedding_length": shape.width,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.key_heads,
        "llama.feed_forward_length": shape.inner_width,
        "llama.vocab_size": shape.vocabulary,
        "llama.rope.freq_base": shape.rotary_base,
        "llama.attention.layer_norm_rms_epsilon": shape.norm_epsilon,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * (shape.vocabulary - 3),
        "tokenizer.ggml.merges": merges,
    }


def language_tensors(shape: Shape = SMALL, *, seed: int = 0) -> dict[str, tuple[int, tuple[int, ...], bytes]]:
    """Return weights of chance, stored as the packaged ones are."""
    random = np.random.default_rng(seed)
    found = {}
    for name, size in tensor_shapes(shape).items():
        if len(size) == 1:
            kind, values = F32, random.uniform(0.5, 1.5, size).astype("<f4").tobytes()
        elif name.startswith("token_embd"):
            kind, values = Q8_0, _blocks(random, size, scales=1, codes=32)
        else:
            kind, values = Q4_1, _blocks(random, size, scales=2, codes=16)
        found[name] = (kind, size, values)
    return found


def write_language(path: Path, shape: Shape = SMALL, *, seed: int = 0) -> Path:
    """Write a small language model, and return where it is."""
    path.write_bytes(gguf(language_fields(shape), language_tensors(shape, seed=seed)))
    return path


def _blocks(random: np.random.Generator, size: tuple[int, ...], *, scales: int, codes: int) -> bytes:
    count = size[0] * size[1] // 32
    numbers = random.uniform(0.005, 0.02, (count, scales)).astype("<f2")
    if scales > 1:
        numbers[:, 1] *= -8  # the minimum
    bytes_of = random.integers(1, 256, (count, codes), dtype=np.uint8)
    return np.concatenate([numbers.view(np.uint8), bytes_of], axis=1).tobytes()
