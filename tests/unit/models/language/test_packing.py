from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.language.blocks import dequantised
from models.language.gguf import Gguf, GgufError
from models.language.served.packing import lifted, packed, planes
from models.language.weights import stored
from tests.fakes.gguf_files import F32, gguf, language_fields, language_tensors, write_language


def test_packed_matrices_stand_for_exactly_the_weights_of_the_file(tmp_path: Path) -> None:
    path = write_language(tmp_path / "small.gguf")
    found = packed(path)
    for name, tensor in stored(Gguf.open(path)).items():
        stem = name.removesuffix(".weight")
        if stem + ".codes" in found:
            parts = (found[stem + part] for part in (".codes", ".scales", ".lifts"))
            np.testing.assert_allclose(lifted(*parts), dequantised(tensor), atol=1e-7)
        elif name in found:
            np.testing.assert_array_equal(found[name], dequantised(tensor))


def test_upper_and_lower_halves_of_the_embedding_stand_for_exactly_its_numbers(tmp_path: Path) -> None:
    path = write_language(tmp_path / "small.gguf")
    found = packed(path)
    scales = found["token_embd.scales"]
    upper = lifted(found["token_embd.upper"], 16 * scales, np.zeros_like(scales.T))
    lower = lifted(found["token_embd.lower"], scales, found["token_embd.lifts"])

    expected = dequantised(stored(Gguf.open(path))["token_embd.weight"])
    np.testing.assert_allclose(upper + lower, expected, atol=1e-6)


def test_every_code_of_eight_bits_has_its_two_halves() -> None:
    codes = np.arange(-128, 128, dtype=np.int8).reshape(8, 32)
    upper, lower = planes(codes)
    elements = [np.stack([each & 15, each >> 4], -1).reshape(8, 32).astype(int) for each in (upper, lower)]

    np.testing.assert_array_equal(16 * elements[0] + elements[1] - 128, codes)


def test_a_matrix_that_is_stored_otherwise_is_refused(tmp_path: Path) -> None:
    tensors = language_tensors()
    name = "blk.0.attn_v.weight"
    shape = tensors[name][1]
    tensors[name] = (F32, shape, bytes(4 * shape[0] * shape[1]))
    path = tmp_path / "other.gguf"
    path.write_bytes(gguf(language_fields(), tensors))

    with pytest.raises(GgufError, match="attn_v"):
        packed(path)
