from __future__ import annotations

import unicodedata
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.language.gguf import Gguf, GgufError
from models.language.tokenizer import LanguageTokenizer
from models.language.weights import FILE, PACKAGE
from tests.fakes.gguf_files import gguf, language_fields

UNWRITABLE = "\x04\x06\x13\x14\x16\x1d"
"""Control characters that the packaged vocabulary has no byte for."""

REFERENCE = [
    ("Hello world", (19556, 905)),
    (
        "in 1984, Ørsted's 3rd café",
        (254, 216, 33, 41, 40, 36, 28, 5549, 242, 98, 27903, 506, 216, 35, 7212, 37366),
    ),
    ("  two  blanks\n\n\ttab", (216, 827, 216, 45843, 1116, 197, 15999)),
    (
        "日本語とひらがな",
        (23274, 115, 40993, 179, 120, 248, 7365, 118, 7365, 127, 10391, 227, 7365, 230, 7365, 120),
    ),
    (
        "Which of these is it?\nA. barn owl\nB. tawny owl",
        (14413, 282, 623, 314, 357, 47, 198, 49, 30, 20526, 23142, 198, 50, 30, 252, 7577, 105, 23142),
    ),
    ("don't we'll THEY'RE 12.5%", (12420, 982, 392, 3060, 6462, 73, 23, 3256, 216, 33, 34, 30, 37, 21)),
    ("🐧🦉 emoji", (10813, 234, 117, 10813, 116, 227, 649, 33777)),
]


@pytest.fixture(scope="module")
def tokenizer() -> LanguageTokenizer:
    return LanguageTokenizer.from_file(packaged())


def packaged() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / FILE


@pytest.mark.parametrize(("text", "ids"), REFERENCE)
def test_ids_are_those_that_the_transformers_library_gives(
    tokenizer: LanguageTokenizer, text: str, ids: tuple[int, ...]
) -> None:
    assert tokenizer.encode(text) == ids


def test_digits_are_read_one_by_one(tokenizer: LanguageTokenizer) -> None:
    assert [tokenizer.decode([token]) for token in tokenizer.encode("in 1984, Ørsted")][:6] == [
        "in",
        " ",
        "1",
        "9",
        "8",
        "4",
    ]


def test_special_tokens_are_asked_for_by_name(tokenizer: LanguageTokenizer) -> None:
    assert [tokenizer.control(name) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")] == [0, 1, 2]
    assert len(tokenizer.controls) == 17
    with pytest.raises(KeyError):
        tokenizer.control("Hello")


def test_each_letter_behind_a_blank_is_one_token(tokenizer: LanguageTokenizer) -> None:
    letters = [tokenizer.encode(f" {chr(letter)}") for letter in range(ord("A"), ord("Z") + 1)]

    assert {len(letter) for letter in letters} == {1}
    assert len(set(letters)) == 26
    for (letter,), sign in zip(letters, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True):
        assert tokenizer.encode(f"Answer: {sign}") == (*tokenizer.encode("Answer:"), letter)


def test_a_text_never_becomes_a_special_token_whatever_it_says(tokenizer: LanguageTokenizer) -> None:
    special = {tokenizer.control(name) for name in tokenizer.controls}
    for name in tokenizer.controls:
        for text in (name, f"a{name}b", f"{name}{name}\n{name} ", name.upper()):
            tokens = tokenizer.encode(text)
            assert special.isdisjoint(tokens)
            assert tokenizer.decode(tokens) == text


@given(
    st.text(st.characters(codec="utf-8", exclude_characters=UNWRITABLE, max_codepoint=0x3FFFF), max_size=40)
)
def test_what_is_read_back_is_what_was_written(tokenizer: LanguageTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", ["a\x04b", "\x1d", "x\U00050000y", "\ud800"])
def test_what_has_no_token_is_replaced_and_not_left_out(tokenizer: LanguageTokenizer, text: str) -> None:
    read = tokenizer.decode(tokenizer.encode(text))

    assert len(read) == len(text)
    assert read != text


def test_an_empty_text_has_no_tokens(tokenizer: LanguageTokenizer) -> None:
    assert tokenizer.encode("") == ()


def test_every_byte_is_known_by_its_sign_or_not_at_all(tokenizer: LanguageTokenizer) -> None:
    lost = [
        character
        for character in map(chr, range(0x3000))
        if tokenizer.decode(tokenizer.encode(character)) != character
    ]

    assert lost == list(UNWRITABLE)
    assert all(unicodedata.category(character) == "Cc" for character in lost)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokenizer.ggml.model", "llama"),
        ("tokenizer.ggml.pre", "gpt-4o"),
        ("tokenizer.ggml.tokens", ["a", "a"]),
        ("tokenizer.ggml.token_type", [1]),
        ("tokenizer.ggml.merges", ["a b", "b q"]),
        ("tokenizer.ggml.merges", ["ab"]),
        ("tokenizer.ggml.merges", ["a b c"]),
    ],
)
def test_a_vocabulary_that_is_not_read_here_or_is_damaged_is_refused(
    tmp_path: Path, name: str, value: str | list[str] | list[int]
) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(gguf({**language_fields(), name: value}, {}))

    with pytest.raises(GgufError):
        LanguageTokenizer.from_gguf(Gguf.open(path))
