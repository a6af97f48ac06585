"""Prompts to tokens: one text of many, or a row for each."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from models.segmentation.imported.texts import (
    JointReader,
    PromptTooLongError,
    SeparateReader,
    UnreadablePromptError,
)

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "?", ",")
PAD, UNKNOWN, START, END, STOP = range(5)
MAX_TOKENS = 12


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    letters = string.ascii_lowercase
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(
        WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token=SPECIAL[UNKNOWN])
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL[:4]))
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture
def reader(path: Path) -> JointReader:
    return JointReader(path, max_tokens=MAX_TOKENS)


def letters(text: str) -> list[int]:
    """Return the tokens of one word."""
    first, *others = (ord(letter) - ord("a") for letter in text)
    return [len(SPECIAL) + first, *(len(SPECIAL) + 26 + other for other in others)]


def test_prompts_become_one_text_parted_by_stops(reader: JointReader) -> None:
    (text,) = reader(["ab", "C"])

    row = [START, *letters("ab"), STOP, *letters("c"), STOP, END]
    assert text.tokens.input_ids.tolist() == [row + [PAD] * (MAX_TOKENS - len(row))]
    assert text.tokens.attention_mask.sum() == len(row)
    assert [np.flatnonzero(span).tolist() for span in text.spans] == [[1, 2], [4]]
    assert text.prompts == (0, 1)


def test_a_prompt_cannot_part_itself_or_end_the_text(reader: JointReader) -> None:
    (text,) = reader(["a. b? [SEP],"])

    ids = text.tokens.input_ids[0]
    read = [*letters("a"), *letters("b"), UNKNOWN, *letters("sep"), UNKNOWN, SPECIAL.index(",")]
    assert ids[text.spans[0]].tolist() == read
    assert (ids == STOP).sum() == 1
    assert (ids == END).sum() == 1


def test_prompts_that_do_not_fit_together_get_texts_of_their_own(reader: JointReader) -> None:
    texts = reader(["abcde", "fghi", "j"])

    assert [text.prompts for text in texts] == [(0,), (1, 2)]
    assert all(text.tokens.input_ids.shape == (1, MAX_TOKENS) for text in texts)


def test_the_longest_prompt_fits_alone_and_one_more_token_does_not(reader: JointReader) -> None:
    (text,) = reader(["a" * reader.longest])

    assert text.tokens.attention_mask.all()
    with pytest.raises(PromptTooLongError, match=r"prompt 1 has 10 tokens; .* at most 9") as caught:
        reader(["a", "a" * (reader.longest + 1)])
    assert (caught.value.index, caught.value.tokens, caught.value.limit) == (1, 10, 9)


@pytest.mark.parametrize("prompt", ["", " ", "...", "🐧", "日本 語"])
def test_a_prompt_of_which_nothing_can_be_read_is_refused(reader: JointReader, prompt: str) -> None:
    with pytest.raises(UnreadablePromptError, match="prompt 0 has nothing"):
        reader([prompt])


def test_a_tokenizer_without_separators_is_refused(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace('"?":', '"¿":')
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=r"has no token \?"):
        JointReader(tmp_path / "tokenizer.json", max_tokens=MAX_TOKENS)


def test_each_prompt_alone_has_a_row_and_none_is_cut(path: Path) -> None:
    reader = SeparateReader(path, max_tokens=3, pad_id=9)

    batch = reader(["ab", "c"])

    assert batch.input_ids.tolist() == [[*letters("ab"), 9], [*letters("c"), 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 0], [1, 0, 0]]
    with pytest.raises(PromptTooLongError, match="prompt 1 has 4 tokens; this detector reads at most 3"):
        reader(["a", "abcd"])
