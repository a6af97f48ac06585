"""Ranking examples from neighbours: which windows are kept, what is right in them, how they are written."""

import json
from collections import Counter
from pathlib import Path

import pytest

from models.multimodal.examples import (
    Counts,
    Example,
    Neighbours,
    Options,
    examples,
    hashed,
    ordered,
    read,
    windows,
    write,
)


def labels(*truths: int, count: int = 20) -> list[str]:
    return ["truth" if place in truths else f"other {place}" for place in range(count)]


def found(*names: str, truth: str = "truth", picture: str = "asked") -> Neighbours:
    return Neighbours(picture, truth, tuple(f"picture {i}" for i in range(len(names))), names)


@pytest.mark.parametrize(
    ("truths", "kept"), [((0,), 1), ((9,), 5), ((), 0), ((19,), 1), ((0, 19), 2), ((4,), 5)]
)
def test_of_sixteen_windows_those_with_the_truth_are_kept(truths: tuple[int, ...], kept: int) -> None:
    assert len(list(windows(labels(*truths), "truth", 5))) == kept


def test_fewer_neighbours_than_a_window_have_no_window() -> None:
    assert not list(windows(labels(0, count=4), "truth", 5))


def test_the_truth_stands_first_and_the_rest_as_they_were_found() -> None:
    assert ordered(list("bacad"), "a", "truth-first") == tuple("aabcd")
    assert ordered(list("bacad"), "a", "similarity") == tuple("bacad")


def test_a_class_found_twice_stands_once_in_the_target() -> None:
    counts = Counts()

    (example, *_) = examples([found(*"bacad", truth="a")], Options(), counts)

    assert example.target == tuple("abcd")
    assert sorted(example.candidates) == list("abcd")


def test_without_its_options_a_window_stays_as_it_was_found() -> None:
    options = Options(dedupe_classes=False, shuffle=False, target="similarity")

    (example, *_) = examples([found(*"bacad", truth="a")], options, Counts())

    assert example.candidates == example.target == tuple("bacad")


def test_a_picture_that_finds_itself_passes_it_over_unless_told_otherwise() -> None:
    itself = Neighbours("asked", "truth", ("asked", *"12345"), ("truth", *"vwxyz"))

    assert not list(examples([itself], Options(), Counts()))
    assert list(examples([itself], Options(exclude_self=False), Counts()))


def test_each_step_says_how_much_it_left() -> None:
    counts = Counts()
    same = Neighbours("asked", "truth", tuple("123456"), ("truth",) * 5 + ("other",))

    written = list(examples([found(*labels(9)), same], Options(), counts))

    assert counts.steps == Counter(
        {
            "pictures": 2,
            "neighbours": 26,
            "neighbours, itself passed over": 26,
            "windows": 18,
            "windows with the truth": 7,
            "windows of two classes or more": 6,
            "open": 6,
            "choice": 6,
            "ranking": 6,
        }
    )
    assert len(written) == 18


def test_orders_come_from_the_seed() -> None:
    asked = [found(*labels(9))]
    first, again, other = (
        [each.candidates for each in examples(asked, Options(seed=seed), Counts())] for seed in (0, 0, 1)
    )

    assert first == again != other


def test_answers_are_a_name_a_letter_or_all_letters_in_order() -> None:
    shown = ("tawny owl", "barn owl", "wren")
    right = ("barn owl", "tawny owl", "wren")
    asked = [Example("p", kind, "barn owl", shown, right) for kind in ("open", "choice", "ranking")]

    assert [each.answer for each in asked] == ["barn owl", "Answer: B", "Answer: B A C"]
    assert asked[1].record()["messages"] == [
        {"role": "user", "content": "<image>\nWhich of these is it?\nA. tawny owl\nB. barn owl\nC. wren"},
        {"role": "assistant", "content": "Answer: B"},
    ]
    assert asked[0].record()["messages"][0]["content"] == "<image>\nWhat is it?"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = list(examples([found("ångström: “so”\n", "truth", *"abc")], Options(), Counts()))

    write(tmp_path / "made.jsonl", made)

    assert read(tmp_path / "made.jsonl") == made
    lines = (tmp_path / "made.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["messages"][0]["content"].startswith("<image>") for line in lines)


def test_a_split_has_one_hash_in_whatever_order() -> None:
    assert hashed(["a", "b"]) == hashed(["b", "a"]) != hashed(["a", "c"])
