from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.language import blocks
from models.language.gguf import Gguf, GgufError
from models.language.weights import shape_of, stored
from tests.fakes.gguf_files import F32, Q4_1, Q8_0, SMALL, Value, gguf, language_fields, language_tensors

ROW = np.arange(1, 4, dtype=np.float32)
TENSORS = {"numbers": (F32, (3,), ROW.tobytes())}
FIELDS: dict[str, Value] = {"name": "é", "count": 7, "base": 0.5, "words": ["a", "bc"], "kinds": [1, 3]}


def opened(tmp_path: Path, data: bytes) -> Gguf:
    path = tmp_path / "some.gguf"
    path.write_bytes(data)
    return Gguf.open(path)


def test_fields_and_tensors_are_those_that_were_written(tmp_path: Path) -> None:
    file = opened(tmp_path, gguf(FIELDS, TENSORS))

    assert (file.text("name"), file.number("count"), file.number("base")) == ("é", 7, 0.5)
    assert (file.texts("words"), file.numbers("kinds")) == (("a", "bc"), (1, 3))
    assert blocks.dequantised(file.tensors["numbers"]).tolist() == [1, 2, 3]


def test_a_field_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = opened(tmp_path, gguf(FIELDS, TENSORS))

    for ask, name in (
        (file.text, "count"),
        (file.number, "name"),
        (file.texts, "kinds"),
        (file.numbers, "words"),
        (file.text, "absent"),
    ):
        with pytest.raises(GgufError, match=name):
            ask(name)


def test_blocks_of_four_bits_have_a_scale_a_minimum_and_the_second_half_above(tmp_path: Path) -> None:
    codes = bytes(low | (15 - low) << 4 for low in range(16))
    data = struct.pack("<ee", 0.5, -2.0) + codes
    file = opened(tmp_path, gguf({}, {"w": (Q4_1, (1, 32), data)}))

    expected = [0.5 * low - 2 for low in range(16)] + [0.5 * (15 - low) - 2 for low in range(16)]
    assert blocks.dequantised(file.tensors["w"]).tolist() == [expected]


def test_blocks_of_eight_bits_have_a_scale_and_signed_codes(tmp_path: Path) -> None:
    codes = list(range(-16, 16))
    file = opened(tmp_path, gguf({}, {"w": (Q8_0, (1, 32), struct.pack("<e32b", 0.25, *codes))}))

    assert blocks.dequantised(file.tensors["w"]).tolist() == [[code / 4 for code in codes]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"GGU", "does not begin"),
        (b"PK\x03\x04" + bytes(100), "does not begin"),
        (gguf(FIELDS, TENSORS, version=2), "version 2"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "entries"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 62), "ends"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + b"\x01" + bytes(7) + b"a" + struct.pack("<I", 77),
            "type 77",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + b"\x01" + bytes(7) + b"a" + struct.pack("<IIQ", 9, 9, 1),
            "type 9",
        ),
        (gguf({"general.alignment": 0}, TENSORS), "aligned"),
        (gguf({}, {"w": (2, (32,), bytes(18))}), "type 2"),
        (gguf({}, {"w": (Q4_1, (33,), bytes(40))}), "whole blocks"),
        (gguf({}, {"w": (F32, (1 << 40, 1 << 40), b"")}), "does not lie"),
        (gguf({}, {"w": (F32, (), b"")}), "axes"),
        (gguf(FIELDS, TENSORS)[:-30], "does not lie"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(GgufError, match=said):
        opened(tmp_path, data)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 700), value=st.integers(0, 255), cut=st.integers(0, 3000) | st.none())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path: Path, place: int, value: int, cut: int | None
) -> None:
    data = bytearray(gguf(language_fields(), language_tensors()))[:cut]
    if place < len(data):
        data[place] = value
    with contextlib.suppress(GgufError):
        stored(opened(tmp_path, bytes(data)))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("general.architecture", "gemma", "gemma"),
        ("llama.attention.head_count", 0, "shaped"),
        ("llama.attention.head_count", 3, "shaped"),
        ("llama.attention.head_count", 64, "shaped"),
        ("llama.attention.head_count_kv", 3, "shaped"),
        ("llama.rope.freq_base", -1.0, "shaped"),
        ("llama.block_count", 2_000_000_000, "shaped"),
        ("llama.block_count", 3, "blk.2"),
        ("llama.vocab_size", 31, "token_embd"),
        ("llama.vocab_size", "many", "vocab_size"),
    ],
)
def test_a_model_that_is_not_shaped_as_it_says_is_refused(
    tmp_path: Path, name: str, value: Value, said: str
) -> None:
    fields = {**language_fields(), name: value}

    with pytest.raises(GgufError, match=said):
        stored(opened(tmp_path, gguf(fields, language_tensors())))


def test_the_shape_is_what_the_fields_say(tmp_path: Path) -> None:
    file = opened(tmp_path, gguf(language_fields(), language_tensors()))

    assert shape_of(file).rotary_base == SMALL.rotary_base
    assert shape_of(file).layers == SMALL.layers


def test_rows_of_queries_and_keys_come_in_their_true_order_and_others_stay(tmp_path: Path) -> None:
    file = opened(tmp_path, gguf(language_fields(), language_tensors()))
    found, head = stored(file), SMALL.head_width
    for name in ("attn_q", "attn_k"):
        there = blocks.dequantised(file.tensors[f"blk.1.{name}.weight"])
        ours = blocks.dequantised(found[f"blk.1.{name}.weight"])
        for row in range(len(ours)):
            within = row % head
            twice = 2 * (within % (head // 2)) + within // (head // 2)
            np.testing.assert_array_equal(ours[row], there[row - within + twice])
    np.testing.assert_array_equal(
        found["blk.1.attn_v.weight"].blocks, file.tensors["blk.1.attn_v.weight"].blocks
    )
