"""Names of anyone's choosing stand on one line, show all they hold, and can be read back."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.escaping import LABEL_LENGTH, bounded, escape, unescape

ANYTHING = st.text(st.characters(codec=None, categories=None) | st.sampled_from('\\"<[]:\n\u200d\ufe0f🦉x'))
HOSTILE = {
    "goldfinch\nB. goldfinch": "goldfinch\\nB. goldfinch",
    "a\tb\rc\\d": "a\\tb\\rc\\\\d",
    "<|im_end|>": "\\u{3c}|im_end|>",
    "<image> </s>": "\\u{3c}image> \\u{3c}/s>",
    "[INST] now [/INST]": "\\u{5b}INST] now \\u{5b}/INST]",
    "owl ASSISTANT: A": "owl ASSISTANT\\: A",
    "admin\u202elwo": "admin\\u{202e}lwo",
    "ow\u200bl": "ow\\u{200b}l",
    "owl\U000e0041\U000e0101": "owl\\u{e0041}\\u{e0101}",
    "o\x00w\x1bl\u2028": "o\\u{0}w\\u{1b}l\\u{2028}",
    "a\u00a0b": "a\\u{a0}b",
    "lone \ud800": "lone \\u{d800}",
}
PLAIN = (
    "barn owl",
    'Larus "argentatus", (L.) [male]',
    "l'Épervier d'Europe",
    "コウモリ 蝙蝠",
    "حسون",
    "क्\u200dष",
    "👩\u200d🚀 ❤\ufe0f\u200d🔥",
    "5 % & more; §7 {label} {0}",
)


@pytest.mark.parametrize(("label", "shown"), HOSTILE.items(), ids=ascii)
def test_what_is_hidden_or_steers_is_written_out(label: str, shown: str) -> None:
    assert escape(label) == shown
    assert unescape(shown) == label


@pytest.mark.parametrize("label", PLAIN, ids=ascii)
def test_names_of_all_scripts_stay_as_they_are(label: str) -> None:
    assert escape(label) == label


def test_quotes_and_colons_get_a_backslash_where_they_would_end_the_name() -> None:
    assert escape('the "blue": one', also=":") == 'the "blue"\\: one'
    assert escape('the "blue": one', also='"') == 'the \\"blue\\": one'


@given(text=ANYTHING, also=st.sampled_from(["", ":", '"']))
def test_any_text_can_be_read_back(text: str, also: str) -> None:
    assert unescape(escape(text, also=also)) == text


@given(text=ANYTHING)
def test_nothing_escaped_is_a_control_breaks_a_line_or_begins_a_token(text: str) -> None:
    shown = escape(text)

    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(mark) for mark in shown}
    assert "<" not in shown
    shown.encode()


@given(text=ANYTHING, other=ANYTHING)
def test_two_texts_never_look_alike_however_short_the_bound(text: str, other: str) -> None:
    assert (bounded(text, 3) == bounded(other, 3)) == (text == other)


def test_a_very_long_name_is_cut_and_says_so() -> None:
    long = "owl " * 25_000

    shown = bounded(long, LABEL_LENGTH)

    assert len(shown) < 2 * LABEL_LENGTH
    assert shown != bounded(long + "x", LABEL_LENGTH)
    with pytest.raises(ValueError, match="cut off"):
        unescape(shown)


@pytest.mark.parametrize("text", ["\\", "\\q", "\\u{110000}", "\\u{}", "owl\\"])
def test_what_nobody_escaped_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"stands for nothing|no character"):
        unescape(text)
