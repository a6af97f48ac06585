"""Questions as rows of tokens: which of them is whose, who may look at whom, and what is read where.

A row of names is a packed tree: the picture and the question stand once, each name is a branch behind them
that sees the question and itself. A row of letters is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from models.ranking.pieces import Control, Image, Prompt, Text
from models.ranking.templates import Content, branch, letters, render

LETTERS: Final = "letters@1"
NAMES: Final = "names@1"
_TRUNK: Final = -1
_PADDING: Final = -2
"""Where others have the number of their branch; padding sees itself, for a row that sees nothing is NaN."""


@runtime_checkable
class Tokens(Protocol):
    """Knows the words of the language model."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the tokens of plain text."""
        ...

    def control(self, name: str) -> int:
        """Return a special token."""
        ...


@dataclass(frozen=True, eq=False)
class Row:
    """One row for the language model.

    Attributes:
        ids: What stands there; 0 where the picture does.
        places: Which token of the picture, or -1.
        positions: From 0; branches begin anew behind the trunk.
        branch: Of each token, -1 for the trunk.
        reads: Places behind which is read.
        wanted: The token that comes behind each of them.
        owner: Which name, or which step of an answer, each of them belongs to.
    """

    ids: tuple[int, ...]
    places: tuple[int, ...]
    positions: tuple[int, ...]
    branch: tuple[int, ...]
    reads: tuple[int, ...]
    wanted: tuple[int, ...]
    owner: tuple[int, ...]


class Writer:
    """Writes rows.

    Args:
        tokens: Of the language model.
        image: Tokens that a picture takes; 0 leaves it out.
    """

    def __init__(self, tokens: Tokens, image: int) -> None:
        self._tokens = tokens
        self._image = image
        self._known: dict[str, tuple[int, ...]] = {}
        self._trunk = self._written(render(NAMES))

    def name(self, label: str) -> tuple[int, ...]:
        """Return a name as a branch has it, its end included."""
        if label not in self._known:
            self._known[label] = self._written(branch(label))[0]
        return self._known[label]

    def names(self, labels: Sequence[str]) -> Row:
        """Return the packed tree of names."""
        ids, places = self._trunk
        row = _Growing(list(ids), list(places))
        trunk = len(ids)
        for number, label in enumerate(labels):
            row.grow(self.name(label), trunk=trunk, number=number)
        return row.done()

    def letters(self, labels: Sequence[str], answer: Sequence[int]) -> Row:
        """Return a question with candidates behind letters.

        Args:
            labels: In the order in which they are shown.
            answer: Places in it, in the order in which their letters are said; what is read is each of them.
        """
        ids, places = self._written(render(LETTERS, Content(tuple(labels))))
        signs = [self._tokens.encode(letter)[0] for letter in letters(len(labels))]
        said = [signs[place] for place in answer]
        reads = range(len(ids) - 1, len(ids) - 1 + len(said))
        whole, where = (*ids, *said[:-1]), (*places, *[-1] * (len(said) - 1))
        return Row(
            whole,
            where,
            tuple(range(len(whole))),
            (_TRUNK,) * len(whole),
            tuple(reads),
            tuple(said),
            tuple(range(len(said))),
        )

    def signs(self, count: int) -> tuple[int, ...]:
        """Return the tokens of so many letters."""
        return tuple(self._tokens.encode(letter)[0] for letter in letters(count))

    def _written(self, prompt: Prompt) -> tuple[tuple[int, ...], tuple[int, ...]]:
        ids: list[int] = []
        places: list[int] = []
        for piece in prompt:
            match piece:
                case Image():
                    found, where = [0] * self._image, list(range(self._image))
                case Control(token):
                    found, where = [self._tokens.control(token)], [-1]
                case Text(text):
                    found = list(self._tokens.encode(text))
                    where = [-1] * len(found)
            ids += found
            places += where
        return tuple(ids), tuple(places)


class _Growing:
    """A row whose branches are added one by one."""

    def __init__(self, ids: list[int], places: list[int]) -> None:
        self._ids, self._places = ids, places
        self._positions = list(range(len(ids)))
        self._branch = [_TRUNK] * len(ids)
        self._reads: list[int] = []
        self._wanted: list[int] = []
        self._owner: list[int] = []

    def grow(self, name: Sequence[int], *, trunk: int, number: int) -> None:
        """Add a name: its first token is read behind the trunk, each other behind the one before."""
        start = len(self._ids)
        self._reads += [trunk - 1, *range(start, start + len(name) - 1)]
        self._wanted += name
        self._owner += [number] * len(name)
        self._ids += name[:-1]
        self._places += [-1] * (len(name) - 1)
        self._positions += range(trunk, trunk + len(name) - 1)
        self._branch += [number] * (len(name) - 1)

    def done(self) -> Row:
        """Return the row."""
        return Row(
            tuple(self._ids),
            tuple(self._places),
            tuple(self._positions),
            tuple(self._branch),
            tuple(self._reads),
            tuple(self._wanted),
            tuple(self._owner),
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows side by side, padded behind.

    Attributes:
        ids: Tokens.
        places: Which token of the picture stands there, or -1.
        positions: From 0.
        mask: Whether the first token may look at the second.
        reads: Places behind which is read.
        wanted: The token that comes behind each of them.
        owner: As in the rows; -1 where nothing is read.
    """

    ids: Int64[np.ndarray, "b t"]
    places: Int64[np.ndarray, "b t"]
    positions: Int64[np.ndarray, "b t"]
    mask: Bool[np.ndarray, "b t t"]
    reads: Int64[np.ndarray, "b r"]
    wanted: Int64[np.ndarray, "b r"]
    owner: Int64[np.ndarray, "b r"]


def batch(rows: Sequence[Row]) -> Batch:
    """Return rows of whatever lengths as one batch."""
    branches = _padded([row.branch for row in rows], _PADDING)
    order = np.arange(branches.shape[1])
    same = branches[:, :, None] == branches[:, None, :]
    trunk = (branches == _TRUNK)[:, None, :]
    real = (branches != _PADDING)[:, :, None]
    earlier = order[:, None] >= order[None, :]
    itself = np.eye(len(order), dtype=bool)
    mask = np.where(real, (same | trunk) & earlier, itself)  # (b, t, t)
    return Batch(
        _padded([row.ids for row in rows], 0),
        _padded([row.places for row in rows], -1),
        _padded([row.positions for row in rows], 0),
        mask,
        _padded([row.reads for row in rows], 0),
        _padded([row.wanted for row in rows], 0),
        _padded([row.owner for row in rows], -1),
    )


def name_means(
    likelihoods: Float32[np.ndarray, "b r"], owner: Int64[np.ndarray, "b r"], count: int
) -> Float32[np.ndarray, "b name"]:
    """Return the mean log-likelihood of each name's tokens; of a name that a row lacks, minus infinity."""
    means = np.full((len(owner), count), -np.inf, dtype=np.float32)
    for number in range(count):
        own = owner == number
        there = own.any(1)
        means[there, number] = (likelihoods * own).sum(1)[there] / own.sum(1)[there]
    return means


def _padded(rows: Sequence[Sequence[int]], fill: int) -> Int64[np.ndarray, "b n"]:
    padded = np.full((len(rows), max(map(len, rows))), fill, dtype=np.int64)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded
