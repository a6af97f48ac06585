"""The shipped language model asked about questions, by the very code that the service asks it with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float32

from models.evaluation.encoders import Model
from models.evaluation.ranking.looks import Looks
from models.evaluation.ranking.questions import Picture, Question
from models.language.tokenizer import LanguageTokenizer
from models.ranking.batching import answers, tensors
from models.ranking.letters import Read, averaged
from models.ranking.orders import Order, orders
from models.ranking.templates import LETTERS as ALL_LETTERS
from models.ranking.templates import Content, branch, letters, render
from models.ranking.tree import Row, packed, read_letters, read_names, tokenised

LETTERS: Final = "letters"
NAMES: Final = "names"
_SEED: Final = 0
_OUTPUT: Final = "log_probabilities"


@dataclass(frozen=True, eq=False)
class Answer:
    """What the model said of one question.

    Attributes:
        reads: Of each order.
        names: Length-normalised log-likelihood of each name; None where names were not asked for.
        tokens: That it read.
    """

    reads: tuple[Read, ...]
    names: Float[np.ndarray, "k"] | None
    tokens: int


class LanguageModel:
    """fovea-projector and fovea-ranker.

    Args:
        ranker: The language model.
        projector: Makes tokens of pictures.
        looks: Of pictures.
    """

    def __init__(self, ranker: Model, projector: Model, looks: Looks) -> None:
        self._ranker = ranker
        self._projector = projector
        self._looks = looks
        self._table: Any = ranker.table("ranking")
        self._template = str(self._table.get("template", "letters@1"))
        self._names_template = str(self._table.get("names_template", "names@1"))
        tokens = LanguageTokenizer.from_file(ranker.files["tokenizer"])
        self._tokens = tokens
        self._letters = tuple(tokens.encode(each)[0] for each in letters(len(ALL_LETTERS)))

    @property
    def mode(self) -> str:
        """What the model is best at: letters, names or both."""
        return str(self._table.get("mode", LETTERS))

    @property
    def digest(self) -> str:
        """Of both models."""
        said = f"{self._ranker.digest} {self._projector.digest}"
        return hashlib.sha256(said.encode()).hexdigest()

    def ask(
        self,
        picture: Picture,
        content: Content,
        shown: Sequence[Order],
        *,
        with_names: bool = False,
    ) -> Answer:
        """Ask for the letters behind each order, and for the names."""
        image = self._image(picture)
        tokenise = partial(
            tokenised,
            encode=self._tokens.encode,
            control=self._tokens.control,
            image_tokens=image.shape[1],
        )
        rows: list[Row] = []
        for order in shown:
            prompt = tokenise(render(self._template, _in_order(content, order)))
            rows.append(packed((prompt,), self._letters[: len(order)]))
        if with_names:
            question = tokenise(render(self._names_template, Content(("x",))))
            branches = [tokenise(branch(label)).ids for label in content.labels]
            rows.append(packed(question=question, names=branches))
        outputs = [self._run(row, image) for row in rows]
        reads = [
            Read(order, read_letters(row, output, len(order))[0])
            for order, row, output in zip(shown, rows, outputs, strict=False)
        ]
        names = read_names(rows[-1], outputs[-1]) if with_names else None
        return Answer(tuple(reads), names, sum(row.size for row in rows))

    def _run(self, row: Row, image: Float32[np.ndarray, "1 v dim"]) -> Float[np.ndarray, "r c"]:
        return answers([row], self._ranker.run(tensors([row], image))[_OUTPUT])[0]

    def _image(self, picture: Picture) -> Float32[np.ndarray, "1 v dim"]:
        (seen,) = self._looks.of([picture])
        given = {"embeddings": seen.embeddings[None], "names": seen.names[None]}
        return self._projector.run(given)["tokens"]


class Lettered:
    """The letters as a source.

    Args:
        model: Who is asked.
        count: Orders that are averaged.
        descriptions: One line of each label that has one.
    """

    name = LETTERS

    def __init__(
        self, model: LanguageModel, count: int = 1, descriptions: dict[str, str] | None = None
    ) -> None:
        self._model = model
        self._count = count
        self._descriptions = descriptions or {}

    @property
    def digest(self) -> str:
        """Of the model, the orders and what is described."""
        said = f"{self._model.digest} {self._count} {_SEED} {sorted(self._descriptions.items())}"
        return hashlib.sha256(said.encode()).hexdigest()

    def say(self, question: Question) -> Float[np.ndarray, "k"] | None:
        """Return log-probabilities averaged over the orders."""
        lines = tuple(self._descriptions.get(label, "") for label in question.labels)
        content = Content(question.labels, lines if any(lines) else ())
        shown = orders(question.labels, count=self._count, seed=_SEED)
        answer = self._model.ask(question.picture, content, shown)
        found = averaged(answer.reads, len(question.labels))
        return found.log_probabilities if found.used else None


class Named:
    """The likelihood of the names as a source."""

    name = NAMES

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @property
    def digest(self) -> str:
        """Of the model."""
        return self._model.digest

    def say(self, question: Question) -> Float[np.ndarray, "k"] | None:
        """Return the length-normalised log-likelihood of each name."""
        return self._model.ask(question.picture, Content(question.labels), (), with_names=True).names


def _in_order(content: Content, order: Order) -> Content:
    described = content.descriptions
    return Content(
        tuple(content.labels[place] for place in order),
        tuple(described[place] for place in order) if described else (),
    )
