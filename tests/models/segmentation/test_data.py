"""What a batch asks of each picture, and what is known of the answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from models.segmentation.bank.network import Bank
from models.segmentation.data import BANK, Batch, Vocabulary, batch
from models.segmentation.heads.train import with_bank
from models.segmentation.knowledge import DIMENSIONS
from models.segmentation.lessons import Lesson
from models.segmentation.losses import Supervision
from models.segmentation.samples import Prompt, PromptKind

NAMES = ("cat", "black cat", "cup", "star", "bowl")
PHRASES = ("the left cup", "the red star")


def vector(text: str) -> np.ndarray:
    found = np.random.default_rng(sum(map(ord, text))).standard_normal(DIMENSIONS).astype(np.float32)
    return found / np.float32(np.linalg.norm(found))


TEXTS = {text: vector(text) for text in (*NAMES, *PHRASES)}


def lesson(
    kind: PromptKind, texts: tuple[str, ...], labels: tuple[str, ...], cutouts: tuple[str, ...]
) -> Lesson:
    """Return a lesson of as many things as labels; the first answers the first prompt, and so on."""
    count = len(labels)
    return Lesson(
        maps=(np.zeros((2, 3, 3), np.float16),),
        boxes=np.tile(np.array([0, 0, 0.5, 0.5], np.float32), (count, 1)),
        masks=np.full((count, 4, 4), 255, np.uint8),
        answers=tuple(frozenset({index}) if index < len(texts) else frozenset() for index in range(count)),
        stuff=(False,) * count,
        labels=labels,
        cutouts=cutouts,
        prompts=tuple(Prompt(kind, text) for text in texts),
        data_set="drawn",
        weak=False,
        verified=None,
    )


CATS = lesson(PromptKind.NAME, ("cat", "cup"), ("1", "2"), ("a/1", "a/2"))
OTHERS = lesson(PromptKind.NAME, ("star", "bowl", "black cat"), ("3",), ("a/3",))
SAID = lesson(PromptKind.PHRASE, PHRASES, ("2", "3"), ("b/2", "b/3"))
CLIPART = replace(lesson(PromptKind.NAME, (), ("x",), ("c/x",)), verified=frozenset())
ALL = (CATS, OTHERS, SAID, CLIPART)
CUTOUTS = {name: vector(name) for name in ("a/1", "a/2", "a/3", "b/2", "c/x")}


def drawn(seed: int = 0) -> Batch:
    return batch(ALL, Vocabulary(ALL, TEXTS, CUTOUTS), np.random.default_rng(seed))


def test_names_are_asked_of_all_pictures_but_those_that_are_asked_phrases() -> None:
    given = drawn()
    names = sorted(NAMES)

    assert given.phrases == (0, 0, 2, 0)
    assert given.names.shape == (len(names), DIMENSIONS)
    assert not given.sentences[[0, 1, 3]].any()
    torch.testing.assert_close(
        given.sentences[2], torch.from_numpy(np.stack([TEXTS[text] for text in PHRASES]))
    )
    assert given.targets[0].answers[0].nonzero().tolist() == [[names.index("cat")]]
    assert given.targets[2].answers.nonzero().tolist() == [[0, 0], [1, 1]]


def test_a_name_that_may_be_true_of_another_names_thing_is_not_said_to_be_wrong() -> None:
    known = drawn().targets[0].verified
    assert known is not None
    said = dict(zip(sorted(NAMES), known.tolist(), strict=False))

    assert said == {"black cat": False, "bowl": True, "cat": True, "cup": True, "star": True}
    assert not known[len(NAMES) :].any()


def test_of_things_whose_names_nobody_knows_no_word_is_wrong_and_the_teacher_is_asked_all_the_same() -> None:
    target = drawn().targets[3]

    assert target.verified is not None
    assert not target.verified.any()
    assert target.supervision is Supervision.AGNOSTIC
    assert target.teachers is not None
    torch.testing.assert_close(target.teachers[0], torch.from_numpy(CUTOUTS["c/x"]))


def test_some_names_are_put_as_a_drawing_that_no_picture_shows() -> None:
    shelf = (CATS, replace(CATS, cutouts=("d/1", "d/2")))
    known = Vocabulary(shelf, TEXTS, CUTOUTS | {"d/1": vector("d/1"), "d/2": vector("d/2")})
    asked = [batch(shelf[:1], known, np.random.default_rng(seed)).names[:2] for seed in range(60)]

    as_text = [torch.equal(each[0], torch.from_numpy(TEXTS["cat"])) for each in asked]
    as_drawing = [torch.equal(each[0], torch.from_numpy(vector("d/1"))) for each in asked]
    assert all(text or drawing for text, drawing in zip(as_text, as_drawing, strict=True))
    assert 5 < sum(as_drawing) < 30


def test_phrases_of_earlier_pictures_are_read_with_a_picture_and_known_to_be_absent() -> None:
    bank = Bank(["drawn"], texts=DIMENSIONS)
    elsewhere = torch.from_numpy(np.stack([vector(f"phrase {number}") for number in range(3)]))
    bank.remember("drawn", elsewhere, torch.tensor([0, 90, 91]))  # the first is about what is labelled "1"

    given = with_bank(bank, drawn())

    assert given.phrases == (0, 0, 5, 0)
    target = given.targets[2]
    assert target.verified is not None
    assert target.verified.nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert not target.answers[:, 2:].any()
    assert target.answers.shape[1] >= 2 + BANK
    assert len(bank.held("drawn")[0]) == 5


def test_what_is_about_a_thing_of_the_picture_is_no_negative() -> None:
    bank = Bank(["drawn"], texts=DIMENSIONS)
    numbers = drawn().subjects[2]
    bank.remember("drawn", torch.from_numpy(vector("the other cup"))[None], torch.tensor(numbers[:1]))

    assert with_bank(bank, drawn()).phrases == (0, 0, 2, 0)


def test_a_crowd_is_spared_for_the_names_of_what_stands_there() -> None:
    crowd = np.array([[0.5, 0.5, 1, 1]], np.float32)
    crowded = replace(
        CATS, crowds=crowd, crowd_answers=(frozenset({1}),), answers=(frozenset({0}), frozenset())
    )
    every = (crowded, OTHERS)

    target = batch(every, Vocabulary(every, TEXTS, CUTOUTS), np.random.default_rng(0)).targets[0]

    assert target.crowds is not None
    assert target.crowds.boxes.tolist() == crowd.tolist()
    assert target.crowds.answers[0].nonzero().tolist() == [[sorted(NAMES).index("cup")]]
    assert target.verified is not None
    assert target.verified[sorted(NAMES).index("cup")]
