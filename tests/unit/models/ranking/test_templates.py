"""Prompts are written as agreed, to the letter, and every name in them can be read back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.chats import CHATS, IDEFICS2, LLAVA, PLAIN, QWEN_VL
from models.ranking.escaping import unescape
from models.ranking.pieces import Control, Image, Prompt, Text, as_text, digest, joined
from models.ranking.templates import TEMPLATES, Content, branch, letters, render

OWLS = Content(("barn owl", 'the "great" owl: male'), ("", "face: a grey disc"), "bird species")
START, END = Control("<|im_start|>"), Control("<|im_end|>")
LABELS = st.lists(
    st.text(st.characters(codec=None, categories=None) | st.sampled_from(', "[]:\n\\<'), max_size=20),
    min_size=1,
    max_size=26,
)


def test_letters_are_asked_for_in_few_words() -> None:
    content = Content(("barn owl", "tawny owl"), ("", "brown, round head"))

    assert render("letters@1", content) == (
        START,
        Text("user\n"),
        Image(),
        Text("\nWhich of these is it?\nA. barn owl\nB. tawny owl: brown, round head"),
        END,
        Text("\n"),
        START,
        Text("assistant\nAnswer:"),
    )
    assert letters(2) == (" A", " B")


def test_names_are_scored_behind_a_question_that_shows_none() -> None:
    assert render("names@1") == (
        START,
        Text("user\n"),
        Image(),
        Text("\nWhat is it?"),
        END,
        Text("\n"),
        START,
        Text("assistant\n"),
    )
    assert branch("barn owl") == (Text("barn owl"), END)


GOLDEN = {
    "letters@1": (
        "<image>\nWhich of these bird species is it?\n"
        'A. barn owl\nB. the "great" owl\\: male: face: a grey disc\n'
        "Answer:"
    ),
    "names@1": "<image>\nWhich bird species is it?",
    "choice@1": (
        "<image>\nWhich of these bird species does the picture show?\n"
        'A. barn owl\nB. the "great" owl\\: male: face: a grey disc\n'
        "Answer with the letter and nothing else."
    ),
    "open@1": "<image>\nWhich bird species does the picture show? Answer with the name and nothing else.",
    "list@1": (
        "<image>\nYou are an expert on bird species. Sort these 2 by how well each fits the picture, "
        "the best first:\n"
        '["barn owl", "the \\"great\\" owl: male"]\n'
        '"the \\"great\\" owl: male": face: a grey disc\n'
        "Answer with these 2 names in one such list and write nothing else."
    ),
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_reads_as_agreed(template: str) -> None:
    assert as_text(render(template, OWLS, chat=PLAIN)) == GOLDEN[template]


def test_a_list_may_be_shown_once_with_other_names() -> None:
    content = Content(("a", "b"), example=("d", "c"))

    assert as_text(render("list@1", content, chat=PLAIN)) == (
        "<image>\nYou tell apart what looks alike. Sort these 2 names by how well each fits the picture, "
        'the best first:\n["a", "b"]\nAn answer to another picture looked like this: ["d", "c"]\n'
        "Answer with these 2 names in one such list and write nothing else."
    )


@pytest.mark.parametrize(
    ("chat", "text"),
    [
        (LLAVA, "USER: <image>\nWhich of these is it?\nA. owl ASSISTANT: Answer:"),
        (
            QWEN_VL,
            (
                "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
                "<|vision_start|><|image_pad|><|vision_end|>\nWhich of these is it?\nA. owl<|im_end|>\n"
                "<|im_start|>assistant\nAnswer:"
            ),
        ),
        (IDEFICS2, "User:<image>\nWhich of these is it?\nA. owl<end_of_utterance>\nAssistant: Answer:"),
    ],
)
def test_families_of_models_get_the_question_in_their_own_wrapping(chat: object, text: str) -> None:
    form = next(each for each in CHATS.values() if each is chat)

    assert as_text(render("letters@1", Content(("owl",)), chat=form), image=form.image) == text


def body(prompt: Prompt) -> str:
    return next(piece.text for piece in prompt if isinstance(piece, Text) and "\n" in piece.text[:1])


@given(labels=LABELS)
def test_names_behind_letters_survive_the_round_trip(labels: list[str]) -> None:
    described = tuple(label[::-1] for label in labels)

    lines = body(render("letters@1", Content(tuple(labels), described))).split("\n")[2:]

    pairs = [line[3:].partition(": ") for line in lines]
    assert [unescape(label) for label, _, _ in pairs] == labels
    assert [unescape(description) for _, _, description in pairs] == list(described)


@given(labels=LABELS)
def test_names_in_a_list_survive_the_round_trip(labels: list[str]) -> None:
    lines = body(render("list@1", Content(tuple(labels)))).split("\n")

    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', lines[2])
    assert [unescape(label) for label in quoted] == labels


@given(labels=LABELS, template=st.sampled_from(list(TEMPLATES)))
def test_no_name_adds_a_special_token_an_image_or_a_line(labels: list[str], template: str) -> None:
    prompt = render(template, Content(tuple(labels)))
    harmless = render(template, Content(tuple("x" * len(labels))))

    assert [p for p in prompt if not isinstance(p, Text)] == [p for p in harmless if not isinstance(p, Text)]
    assert as_text(prompt).count("\n") == as_text(harmless).count("\n")
    assert as_text(prompt).count("<") == as_text(harmless).count("<")


def test_digests_tell_a_text_from_a_token_and_one_text_from_two() -> None:
    assert digest((Text("a"), Text("b"))) == digest((Text("ab"),)) != digest((Control("ab"),))
    assert digest((Image(),)) != digest((Text(""),)) != digest((Control(""),))
    assert digest((Text("a"), Image(), Text("b"))) != digest((Text("ab"), Image()))
    assert digest(render("letters@1", Content(("owl",)))) == (
        "5f7406deb8accf40bc1100edb2f6582bb366f53d7f86e6329a4ce8d48952e88e"
    )


def test_texts_that_touch_are_one_and_empty_ones_are_none() -> None:
    assert joined((Text(""), Text("a"), Text(""), Text("b"), Image(), Text(""))) == (Text("ab"), Image())


@pytest.mark.parametrize(
    ("template", "count", "match"),
    [
        ("letters@1", 27, "1 to 26"),
        ("letters@1", 0, "1 to 26"),
        ("list@1", 0, "1 to 100"),
        ("no@1", 1, "no template"),
    ],
)
def test_too_many_candidates_none_or_an_unknown_template_are_refused(
    template: str, count: int, match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        render(template, Content(("owl",) * count))


def test_descriptions_belong_to_labels() -> None:
    with pytest.raises(ValueError, match="1 descriptions for 2 labels"):
        Content(("a", "b"), ("x",))
