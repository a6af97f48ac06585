import numpy as np
import pytest

from models.evaluation.encoders import packaged_files
from models.text.tokenizer import MAX_TOKENS, Tokenizer

FILE = packaged_files("all-minilm-l6-v2")["tokenizer"]
CLS, SEP, CAT = 101, 102, 4937


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(FILE)


def test_a_text_is_framed_by_its_marks_and_case_does_not_count(tokenizer: Tokenizer) -> None:
    assert tokenizer(["cat"]).input_ids.tolist() == [[CLS, CAT, SEP]]
    assert tokenizer(["Cat"]).input_ids.tolist() == [[CLS, CAT, SEP]]


def test_shorter_texts_are_padded_to_the_longest_and_masked(tokenizer: Tokenizer) -> None:
    tokens = tokenizer(["cat", "cat cat cat"])

    assert tokens.input_ids.tolist() == [[CLS, CAT, SEP, 0, 0], [CLS, CAT, CAT, CAT, SEP]]
    assert tokens.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert {tensor.dtype for tensor in tokens.tensors().values()} == {np.dtype(np.int64)}


def test_a_long_text_is_cut_and_still_ends_properly(tokenizer: Tokenizer) -> None:
    row = tokenizer(["cat " * 1_000]).input_ids[0]

    assert len(row) == MAX_TOKENS
    assert row[-1] == SEP
    assert len(Tokenizer.from_file(FILE, max_tokens=8)(["cat " * 1_000]).input_ids[0]) == 8


def test_an_encoder_that_wants_one_length_gets_rows_of_that_length_filled_as_it_wants() -> None:
    tokens = Tokenizer.from_file(FILE, max_tokens=5, padding="max_tokens", pad_id=7)(["cat", "cat " * 9])

    assert tokens.input_ids.tolist() == [[CLS, CAT, SEP, 7, 7], [CLS, CAT, CAT, CAT, SEP]]
    assert tokens.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("text", ["", "\n", "日本語", "🐧", "naïve café", "\x00"])
def test_any_text_has_tokens(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer([text]).attention_mask.sum() >= 2


def test_no_text_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="no text"):
        tokenizer([])
