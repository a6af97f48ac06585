"""The ranker's graph, fed from its package: the same in every batch, branches as if each were alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.language.tokenizer import LanguageTokenizer
from models.ranking.batching import answers, tensors
from models.ranking.pieces import Piece
from models.ranking.templates import Content, branch, letters, render
from models.ranking.tree import Row, Tokens, packed, read_names, tokenised
from services.kernel.errors import FoveaError
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.store import ModelStore

STORE = Path(__file__).parents[4] / "models" / "store"
NAME = "fovea-ranker"
IMAGES = 4
OWLS = Content(labels=("barn owl", "tawny owl", "snowy owl"))
LONG = Content(labels=("song thrush", "house sparrow, Passer domesticus", "wren", "日本の鳥", "Answer: B"))


class Ranker:
    """The graph, and how it reads."""

    def __init__(self) -> None:
        folder = ModelStore(STORE).open(NAME)
        self.tokenizer = LanguageTokenizer.from_file(folder.external("tokenizer"))
        self.models = OnnxModels([folder])

    def tokens(self, prompt: tuple[Piece, ...]) -> Tokens:
        return tokenised(
            prompt, encode=self.tokenizer.encode, control=self.tokenizer.control, image_tokens=IMAGES
        )

    def letters(self, content: Content) -> Row:
        ids = [self.tokenizer.encode(letter)[0] for letter in letters(len(content.labels))]
        return packed([self.tokens(render("letters@1", content))], ids)

    def names(self, labels: tuple[str, ...]) -> Row:
        branches = [self.tokens(branch(label)).ids for label in labels]
        return packed([], [], question=self.tokens(render("names@1", Content(labels=labels))), names=branches)

    def __call__(self, *rows: Row, image: np.ndarray | None = None) -> list[np.ndarray]:
        images = picture(len(rows)) if image is None else image
        found = self.models.run(NAME, tensors(rows, images))
        return list(answers(rows, found["log_probabilities"]))


def picture(count: int, seed: int = 0) -> np.ndarray:
    """Return tokens of one picture of chance, for each row."""
    one = np.random.default_rng(seed).normal(0, 0.1, (1, IMAGES, 576)).astype(np.float32)
    return np.repeat(one, count, axis=0)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return Ranker()


def test_a_row_says_the_same_alone_and_padded_beside_a_longer_one(ranker: Ranker) -> None:
    rows = [ranker.letters(OWLS), ranker.letters(LONG)]
    together = ranker(*rows)

    for row, beside in zip(rows, together, strict=True):
        np.testing.assert_allclose(ranker(row)[0], beside, atol=1e-4)


def test_a_batch_keeps_its_order(ranker: Ranker) -> None:
    rows = [ranker.letters(OWLS), ranker.letters(LONG), ranker.names(OWLS.labels)]
    forth, back = ranker(*rows), ranker(*reversed(rows))

    for one, other in zip(forth, reversed(back), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_packed_tree_says_what_each_name_says_alone(ranker: Ranker) -> None:
    tree = ranker.names(LONG.labels)
    rows = [ranker.names((label,)) for label in LONG.labels]
    alone = [read_names(row, ranker(row)[0])[0] for row in rows]

    np.testing.assert_allclose(read_names(tree, ranker(tree)[0]), alone, atol=1e-4)
    assert tree.size < sum(row.size for row in rows) / 2


def test_log_probabilities_are_over_the_whole_vocabulary(ranker: Ranker) -> None:
    row = ranker.letters(OWLS)
    given = tensors([row], picture(1)) | {"choices": np.arange(49_152)[None, None]}
    found = ranker.models.run(NAME, given)["log_probabilities"]

    assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    letter = row.choices[0]
    np.testing.assert_allclose(found[0, 0, letter], ranker(row)[0][0], atol=1e-5)


def test_another_picture_is_another_answer_and_another_word_in_its_place_is_not(ranker: Ranker) -> None:
    row = ranker.letters(OWLS)
    said = ranker(row)[0]
    given = tensors([row], picture(1))
    given["input_ids"] = np.where(given["image_places"] >= 0, 777, given["input_ids"])

    assert np.abs(ranker(row, image=picture(1, seed=1))[0] - said).max() > 1e-3
    np.testing.assert_array_equal(
        ranker.models.run(NAME, given)["log_probabilities"][0], said.astype(np.float32)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("input_ids", 49_152), ("image_places", IMAGES), ("reads", 4000), ("choices", 49_152)],
)
def test_a_token_or_place_that_is_not_there_is_refused_and_the_next_call_is_answered(
    ranker: Ranker, name: str, value: int
) -> None:
    row = ranker.letters(OWLS)
    given = tensors([row], picture(1))
    given[name] = np.full_like(given[name], value)

    with pytest.raises(FoveaError):
        ranker.models.run(NAME, given)
    assert np.isfinite(ranker(row)[0]).all()


def test_a_row_that_may_look_nowhere_harms_no_other(ranker: Ranker) -> None:
    rows = [ranker.letters(OWLS), ranker.letters(LONG)]
    given = tensors(rows, picture(2))
    expected = ranker(*rows)[1]
    given["mask"] = given["mask"].copy()
    given["mask"][0] = False
    found = ranker.models.run(NAME, given)["log_probabilities"]

    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1, :1], expected, atol=1e-4)
