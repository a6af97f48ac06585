"""A tokenizer that takes texts as they are: it adds nothing, and nothing in a text is special."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE

from models.text.literal import LiteralTokenizer, literal

MARK = "\u2581"
PIECES = ["<unk>", "<s>", MARK, *"abc<s>A", f"{MARK}A"]


def packaged() -> Tokenizer:
    """One that puts a blank before a text and a special token before that, as many do."""
    made = Tokenizer(
        BPE({piece: i for i, piece in enumerate(dict.fromkeys(PIECES))}, [(MARK, "A")], unk_token="<unk>")  # noqa: S106  (a word)
    )
    made.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    made.add_special_tokens([AddedToken("<s>", special=True)])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return made


def words(tokens: LiteralTokenizer, text: str) -> list[str]:
    return [packaged().id_to_token(each) or "" for each in tokens.encode(text)]


def test_what_the_publishers_tokenizer_adds_is_left_out() -> None:
    assert packaged().encode("A").tokens == ["<s>", f"{MARK}A"]

    tokens = LiteralTokenizer.from_text(literal(packaged().to_str()))

    assert words(tokens, "A") == ["A"]
    assert words(tokens, " A") == [f"{MARK}A"]
    assert words(tokens, "") == []


def test_a_text_never_becomes_a_special_token() -> None:
    tokens = LiteralTokenizer.from_text(literal(packaged().to_str()))

    assert tokens.control("<s>") == 1
    assert tokens.control("<s>") not in tokens.encode("a<s>b <s>")
    assert words(tokens, "<s>") == ["<", "s", ">"]


def test_there_are_no_other_special_tokens_than_its_own() -> None:
    tokens = LiteralTokenizer.from_text(packaged().to_str())

    with pytest.raises(KeyError):
        tokens.control("a")


@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_blanks_of_a_metaspace_are_left_out_as_well(scheme: str) -> None:
    made = packaged()
    made.normalizer = None
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)

    said = json.loads(literal(made.to_str()))

    (step,) = said["pre_tokenizer"]["pretokenizers"]
    assert step["prepend_scheme"] == "never"
    assert words(LiteralTokenizer.from_text(json.dumps(said)), "A A") == ["A", f"{MARK}A"]


def test_a_file_that_is_no_tokenizer_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")

    with pytest.raises(ValueError, match="no tokenizer"):
        LiteralTokenizer.from_file(tmp_path / "tokenizer.json")
