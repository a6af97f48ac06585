"""Questions about one picture as one row for the language model: what they share is read once.

A row is a tree of tokens. Each token looks at its own ancestors alone, by mask and position, so that every
path from the root reads as if it stood there by itself: the orders of the candidates part where their first
names do, and the candidates' names are branches behind one question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int64

from models.ranking.pieces import Control, Image, Piece, Text

NOWHERE: Final = -1
"""Place of what is no token of the image."""
_ROOT: Final = -1


@dataclass(frozen=True)
class Tokens:
    """A prompt in the model's own tokens.

    Attributes:
        ids: Of the tokens; 0 for those of the image.
        places: Which token of the image stands there, or -1.
    """

    ids: tuple[int, ...]
    places: tuple[int, ...]


def tokenised(
    prompt: Sequence[Piece],
    *,
    encode: Callable[[str], Sequence[int]],
    control: Callable[[str], int],
    image_tokens: int,
) -> Tokens:
    """Return a prompt's tokens; tokens of several images are numbered on.

    Args:
        prompt: Its pieces.
        encode: Tokens of a text, none of them special.
        control: The special token of a name.
        image_tokens: How many an image has.
    """
    ids: list[int] = []
    places: list[int] = []
    seen = 0
    for piece in prompt:
        if isinstance(piece, Image):
            ids += [0] * image_tokens
            places += range(seen, seen + image_tokens)
            seen += image_tokens
        elif isinstance(piece, Control):
            ids.append(control(piece.token))
            places.append(NOWHERE)
        elif isinstance(piece, Text):
            found = encode(piece.text)
            ids += found
            places += [NOWHERE] * len(found)
    return Tokens(tuple(ids), tuple(places))


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the graph `fovea-ranker`.

    Attributes:
        input_ids: Of the tokens.
        positions: How many tokens stand before each on its path.
        mask: Where each may look: its path from the root, itself included.
        image_places: Which token of the image stands there, or -1.
        reads: Places whose next token is asked for.
        choices: Tokens whose log-probability is wanted there, filled up with 0.
        letters: The read of each order.
        paths: The reads along each name.
    """

    input_ids: Int64[np.ndarray, "t"]
    positions: Int64[np.ndarray, "t"]
    mask: Bool[np.ndarray, "t t"]
    image_places: Int64[np.ndarray, "t"]
    reads: Int64[np.ndarray, "r"]
    choices: Int64[np.ndarray, "r c"]
    letters: tuple[int, ...] = ()
    paths: tuple[tuple[int, ...], ...] = ()

    @property
    def size(self) -> int:
        """Tokens that the model has to read."""
        return len(self.input_ids)


def packed(
    orders: Sequence[Tokens] = (),
    letters: Sequence[int] = (),
    *,
    question: Tokens | None = None,
    names: Sequence[Sequence[int]] = (),
) -> Row:
    """Return the row that asks for letters behind each order, and for names behind a question without any.

    Args:
        orders: The prompt of each order of the candidates; empty: letters are not asked for.
        letters: Tokens of the letters.
        question: The prompt behind which names are scored.
        names: Tokens of each candidate's name and of the answer's end.

    Raises:
        ValueError: There is nothing to ask, or a prompt, a name or the list of letters is empty.
    """
    tree = _Tree()
    if orders and not letters:
        raise ValueError("orders were given, but no letters to read behind them")
    answers = tuple(tree.ask(tree.grow(order), tuple(letters)) for order in orders)
    if (question is None) != (not names):
        raise ValueError("names need a question, and the question names")
    paths: tuple[tuple[int, ...], ...] = ()
    if question is not None:
        end = tree.grow(question)
        paths = tuple(tree.path(name, behind=end) for name in names)
    if not (answers or paths):
        raise ValueError("nothing is asked")
    return tree.row(answers, paths)


def read_letters(row: Row, output: Float[np.ndarray, "r c"], count: int) -> Float[np.ndarray, "n k"]:
    """Return the log-probability of each of so many letters behind each order."""
    return np.asarray(output[list(row.letters), :count], np.float64).reshape(len(row.letters), count)


def read_names(
    row: Row, output: Float[np.ndarray, "r c"], *, per_token: bool = True
) -> Float[np.ndarray, "k"]:
    """Return the log-likelihood of each name, divided by the number of its tokens unless told otherwise."""
    logs = np.asarray(output[:, 0], np.float64)
    sums = np.array([logs[list(path)].sum() for path in row.paths])
    return sums / [len(path) for path in row.paths] if per_token else sums


class _Tree:
    """Grows a row: equal beginnings are kept once."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._places: list[int] = []
        self._parents: list[int] = []
        self._children: dict[tuple[int, int, int], int] = {}
        self._asked: dict[tuple[int, tuple[int, ...]], int] = {}

    def grow(self, tokens: Tokens, behind: int = _ROOT) -> int:
        """Return the last node of these tokens. Raises ValueError if there are none."""
        if not tokens.ids:
            raise ValueError("a prompt is empty")
        for token, place in zip(tokens.ids, tokens.places, strict=True):
            behind = self._child(behind, token, place)
        return behind

    def path(self, name: Sequence[int], *, behind: int) -> tuple[int, ...]:
        """Return the reads of a name; its last token is asked for, but need not be read by the model."""
        if not name:
            raise ValueError("a name has no tokens")
        reads = []
        for i, token in enumerate(name):
            reads.append(self.ask(behind, (token,)))
            if i < len(name) - 1:
                behind = self._child(behind, token, NOWHERE)
        return tuple(reads)

    def ask(self, node: int, tokens: tuple[int, ...]) -> int:
        """Return the read that asks whether one of these tokens is next."""
        return self._asked.setdefault((node, tokens), len(self._asked))

    def row(self, letters: tuple[int, ...], paths: tuple[tuple[int, ...], ...]) -> Row:
        """Return what has grown."""
        count = len(self._ids)
        mask = np.eye(count, dtype=np.bool_)
        positions = np.zeros(count, np.int64)
        for node, parent in enumerate(self._parents):
            if parent != _ROOT:
                mask[node] |= mask[parent]
                positions[node] = positions[parent] + 1
        choices = np.zeros((len(self._asked), max(len(tokens) for _, tokens in self._asked)), np.int64)
        for i, (_, tokens) in enumerate(self._asked):
            choices[i, : len(tokens)] = tokens
        return Row(
            input_ids=np.array(self._ids, np.int64),
            positions=positions,
            mask=mask,
            image_places=np.array(self._places, np.int64),
            reads=np.array([node for node, _ in self._asked], np.int64),
            choices=choices,
            letters=letters,
            paths=paths,
        )

    def _child(self, parent: int, token: int, place: int) -> int:
        node = self._children.setdefault((parent, token, place), len(self._ids))
        if node == len(self._ids):
            self._ids.append(token)
            self._places.append(place)
            self._parents.append(parent)
        return node
