"""The small model that ships, for closed questions: it chooses a value by likelihood, and writes nothing.

It is too small to be asked openly: what it would write is seldom so. Choices stand behind letters, in
several orders, so that a place adds nothing; the model is that of `models/ranking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Shaped

from models.attributes.asking import CannotAnswerError, ModelError, Question
from models.ranking.batching import answers, tensors
from models.ranking.chats import CHATML
from models.ranking.escaping import escape
from models.ranking.letters import Read, averaged
from models.ranking.orders import orders
from models.ranking.pieces import Image, Piece, Text
from models.ranking.templates import letters
from models.ranking.tree import packed, read_letters, tokenised

Run = Callable[[Mapping[str, Shaped[np.ndarray, "..."]]], Mapping[str, Shaped[np.ndarray, "..."]]]
"""Runs the graph `fovea-ranker`: tensors by name in and out."""
ImageTokens = Callable[[bytes], Float32[np.ndarray, "token dim"]]
"""Gives the tokens of a picture. Raises ValueError for what is none."""
MOST_CHOICES: Final = 26
_ANSWER: Final = "Answer:"


@runtime_checkable
class Tokenizer(Protocol):
    """The language model's."""

    def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text, none of them special."""
        ...

    def control(self, token: str) -> int:
        """Return the special token of a name."""
        ...


@dataclass(frozen=True)
class ChoosingModel:
    """Chooses by the mean of what it reads behind the letters in several orders.

    Attributes:
        identity: `name@digest`.
        run: The graph.
        tokenizer: Of the model.
        look: What the model sees of a picture.
        orders: How many orders are read.
    """

    identity: str
    run: Run
    tokenizer: Tokenizer
    look: ImageTokens
    orders: int = 2

    def answer(self, question: Question) -> str:
        """Return the likeliest choice. Raises CannotAnswerError, ModelError."""
        choices = question.choices
        if not 1 < len(choices) <= MOST_CHOICES:
            raise CannotAnswerError(
                f"the model that ships only chooses, among 2 to {MOST_CHOICES} values; "
                f"this question has {len(choices)}: give the attribute `values`, or name an endpoint"
            )
        image = self._seen(question)
        ways = orders(choices, count=self.orders, seed=0)
        tokens = [
            tokenised(
                _prompt(question.text, [choices[place] for place in way], has_picture=len(image) > 0),
                encode=self.tokenizer.encode,
                control=self.tokenizer.control,
                image_tokens=len(image),
            )
            for way in ways
        ]
        row = packed(tokens, [self.tokenizer.encode(letter)[0] for letter in letters(len(choices))])
        reply = self.run(tensors([row], image[np.newaxis]))
        (out,) = answers([row], reply["log_probabilities"])
        logs = read_letters(row, out, len(choices))
        found = averaged([Read(way, logs[i]) for i, way in enumerate(ways)], len(choices))
        if not found.used:
            raise ModelError(f"{self.identity} gave no numbers that can be read")
        return choices[int(np.argmax(found.log_probabilities))]

    def _seen(self, question: Question) -> Float32[np.ndarray, "token dim"]:
        try:
            return self.look(question.picture or b"")
        except ValueError as error:
            raise ModelError(f"the picture cannot be read: {error}") from error


def _prompt(asked: str, choices: Sequence[str], *, has_picture: bool) -> tuple[Piece, ...]:
    lines = [
        f"{letter.strip()}. {escape(each)}"
        for letter, each in zip(letters(len(choices)), choices, strict=True)
    ]
    image: tuple[Piece, ...] = (Image(),) if has_picture else ()
    return CHATML.wrap((*image, Text("\n".join(("\n" + escape(asked), *lines)))), _ANSWER)
