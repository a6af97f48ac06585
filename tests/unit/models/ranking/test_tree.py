"""What is packed into one row reads as if each part stood alone; rows of a batch do not see each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ranking.batching import answers, tensors
from models.ranking.pieces import Control, Image, Text
from models.ranking.templates import Content, branch, letters, render
from models.ranking.tree import Row, Tokens, packed, read_letters, read_names, tokenised

WORDS = 300
DIM = 16
IMAGE_TOKENS = 3


class ToyModel:
    """A causal language model of two layers: attention within a mask, by positions, with drawn weights."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.words = rng.normal(size=(WORDS, DIM))
        self.places = rng.normal(size=(512, DIM))
        self.layers = [[rng.normal(size=(DIM, DIM)) / 2 for _ in range(4)] for _ in range(2)]

    def __call__(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        image = np.take_along_axis(
            feeds["image_tokens"], np.maximum(feeds["image_places"], 0)[..., None], axis=1
        )
        hidden = np.where(feeds["image_places"][..., None] >= 0, image, self.words[feeds["input_ids"]])
        hidden = hidden + self.places[feeds["positions"]]
        for query, key, value, out in self.layers:
            scores = np.where(feeds["mask"], (hidden @ query) @ (hidden @ key).swapaxes(1, 2) / DIM, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            attended = weights / weights.sum(-1, keepdims=True) @ (hidden @ value)
            hidden = hidden + np.tanh(attended @ out)
        logits = np.take_along_axis(hidden, feeds["reads"][..., None], axis=1) @ self.words.T
        logs = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        return np.take_along_axis(logs - logits.max(-1, keepdims=True), feeds["choices"], axis=2)


MODEL = ToyModel()
IMAGES = np.random.default_rng(1).normal(size=(4, IMAGE_TOKENS, DIM)).astype(np.float32)


def run(rows: list[Row], images: np.ndarray = IMAGES) -> list[np.ndarray]:
    return answers(rows, MODEL(tensors(rows, images[: len(rows)])))


def plain(prompt: Tokens, name: list[int]) -> float:
    """Return the log-likelihood of a name behind a prompt, read the long way: one plain causal row."""
    ids = np.array([*prompt.ids, *name])
    places = np.array([*prompt.places, *[-1] * len(name)])
    reads = np.arange(len(prompt.ids) - 1, len(ids) - 1)
    feeds = {
        "input_ids": ids[None],
        "positions": np.arange(len(ids))[None],
        "mask": np.tril(np.ones((1, len(ids), len(ids)), np.bool_)),
        "image_tokens": IMAGES[:1],
        "image_places": places[None],
        "reads": reads[None],
        "choices": np.array(name)[None, :, None],
    }
    return float(MODEL(feeds).sum())


def text(*ids: int) -> Tokens:
    return Tokens(ids, (-1,) * len(ids))


def tokens(prompt: tuple[Control | Text | Image, ...]) -> Tokens:
    return tokenised(
        prompt,
        encode=lambda words: list(words.encode()),
        control=lambda name: 256 + len(name),
        image_tokens=IMAGE_TOKENS,
    )


def test_names_look_at_the_question_and_at_themselves_alone() -> None:
    row = packed(question=text(7, 8), names=[[1, 2, 9], [1, 3, 9], [4, 9], [9]])

    assert row.input_ids.tolist() == [7, 8, 1, 2, 3, 4]
    assert row.positions.tolist() == [0, 1, 2, 3, 3, 2]
    assert row.mask.astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]
    asked = list(zip(row.reads.tolist(), row.choices[:, 0].tolist(), strict=True))
    assert asked == [(1, 1), (2, 2), (3, 9), (2, 3), (4, 9), (1, 4), (5, 9), (1, 9)]
    assert row.paths == ((0, 1, 2), (0, 3, 4), (5, 6), (7,))


NAMES = st.lists(
    st.lists(st.integers(1, 5), min_size=1, max_size=5).map(lambda ids: [*ids, 9]), min_size=1, max_size=6
)


@settings(max_examples=40)
@given(names=NAMES, question=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_packed_names_are_as_likely_as_one_by_one(names: list[list[int]], question: list[int]) -> None:
    prompt = Tokens((*question, 0, 0, 0, 6), (*[-1] * len(question), 0, 1, 2, -1))
    row = packed(question=prompt, names=names)

    (output,) = run([row])

    alone = [plain(prompt, name) for name in names]
    np.testing.assert_allclose(read_names(row, output, per_token=False), alone, atol=1e-9)
    np.testing.assert_allclose(read_names(row, output), np.array(alone) / [len(n) for n in names], atol=1e-9)


def test_orders_share_their_beginning_and_read_as_if_alone() -> None:
    labels = ("barn owl", "tawny owl", "eagle owl")
    prompts = [
        tokens(render("letters@1", Content(tuple(labels[i] for i in order))))
        for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    ]
    ids = [letter.encode()[-1] for letter in letters(3)]
    together = packed(prompts, ids)
    alone = [packed([prompt], ids) for prompt in prompts]

    (output,) = run([together])

    separate = [run([row])[0][0] for row in alone]
    np.testing.assert_allclose(read_letters(together, output, 3), separate, atol=1e-9)
    assert together.size < 0.75 * sum(row.size for row in alone)


def test_letters_and_names_may_be_asked_in_one_row() -> None:
    content = Content(("barn owl", "tawny owl"))
    order, question = tokens(render("letters@1", content)), tokens(render("names@1"))
    names = [list(tokens(branch(label)).ids) for label in content.labels]
    row = packed([order], [65, 66], question=question, names=names)

    (output,) = run([row])

    np.testing.assert_allclose(
        read_names(row, output, per_token=False), [plain(question, name) for name in names], atol=1e-9
    )
    np.testing.assert_allclose(
        read_letters(row, output, 2)[0], [plain(order, [65]), plain(order, [66])], atol=1e-9
    )


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(1, 9), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_rows_of_a_batch_do_not_change_each_other(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        packed(
            question=Tokens((*rng.integers(1, 9, size).tolist(), 0), (*[-1] * size, 1)),
            names=[rng.integers(1, 9, rng.integers(1, 4)).tolist() for _ in range(size)],
        )
        for size in lengths
    ]

    together = run(rows)

    for i, row in enumerate(rows):
        (alone,) = run([row], IMAGES[i : i + 1])
        np.testing.assert_allclose(together[i], alone, atol=1e-9)


def test_a_batch_is_filled_up_behind_with_what_sees_itself_alone() -> None:
    rows = [packed(question=text(1), names=[[2]]), packed([text(3, 4, 5)], [6, 7])]

    feeds = tensors(rows, IMAGES[:2])

    assert {name: array.shape for name, array in feeds.items()} == {
        "input_ids": (2, 3),
        "positions": (2, 3),
        "mask": (2, 3, 3),
        "image_tokens": (2, IMAGE_TOKENS, DIM),
        "image_places": (2, 3),
        "reads": (2, 1),
        "choices": (2, 1, 2),
    }
    assert (feeds["mask"][0] == np.eye(3)).all()
    assert (feeds["mask"][1] == np.tril(np.ones((3, 3)))).all()
    assert {array.dtype for name, array in feeds.items() if name not in ("mask", "image_tokens")} == {
        np.dtype(np.int64)
    }
    assert feeds["mask"].dtype == np.bool_
    assert feeds["image_places"].tolist() == [[-1, -1, -1], [-1, -1, -1]]


def test_image_tokens_of_several_images_are_numbered_on() -> None:
    found = tokens((Image(), Text("a"), Image(), Control("<x>")))

    assert found.places == (0, 1, 2, -1, 3, 4, 5, -1)
    assert found.ids == (0, 0, 0, 97, 0, 0, 0, 259)


@pytest.mark.parametrize(
    "output",
    [
        np.zeros((1, 2, 1), np.float32),
        np.zeros((2, 8, 1), np.float32),
        np.zeros(0, np.float32),
        np.zeros((1, 8, 1), np.int64),
        np.array([["owl"]]),
    ],
)
def test_an_output_of_another_shape_or_kind_is_no_number(output: np.ndarray) -> None:
    row = packed(question=text(7, 8), names=[[1, 2, 9], [1, 3, 9], [4, 9], [9]])

    (found,) = answers([row], output)

    assert np.isnan(read_names(row, found)).all()


def test_nothing_to_ask_is_refused() -> None:
    for ask in (
        packed,
        lambda: packed([text(1)]),
        lambda: packed([text()], [1]),
        lambda: packed(question=text(1)),
        lambda: packed(names=[[1]]),
        lambda: packed(question=text(1), names=[[]]),
        lambda: tensors([], IMAGES),
        lambda: tensors([packed([text(1)], [1])], IMAGES),
    ):
        with pytest.raises(ValueError, match=r"nothing|empty|no |need|rows"):
            ask()
