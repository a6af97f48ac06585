"""Ranking examples from the retriever's own neighbours: windows of look-alikes that hold the truth.

A picture asks a memory of other artists' pictures. Each window of its nearest neighbours in which the truth
stands becomes one example, so that what is told apart in training is what retrieval confuses.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from models.multimodal.rows import LETTERS, NAMES
from models.ranking.pieces import Text
from models.ranking.templates import Content, letters, render

Target = Literal["similarity", "truth-first"]
Kind = Literal["open", "choice", "ranking"]
KINDS: Final[tuple[Kind, ...]] = ("open", "choice", "ranking")


@dataclass(frozen=True)
class Neighbours:
    """What a picture found.

    Attributes:
        picture: Its id.
        truth: What it is called.
        ids: Of the pictures found, nearest first.
        labels: What those are called.
    """

    picture: str
    truth: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """How examples are made of neighbours.

    Attributes:
        window: Neighbours in one.
        exclude_self: Whether a picture that finds itself passes it over.
        shuffle: Whether the candidates stand in a seeded order, and not in the retriever's.
        dedupe_classes: Whether a class stands once, where it was found first.
        target: The order that is right: the retriever's, or that with the truth put first.
        seed: Of the orders.
    """

    window: int = 5
    exclude_self: bool = True
    shuffle: bool = True
    dedupe_classes: bool = True
    target: Target = "truth-first"
    seed: int = 0


@dataclass(frozen=True)
class Example:
    """One question about a picture.

    Attributes:
        picture: Its id.
        kind: What is asked.
        truth: What it is called.
        candidates: As they are shown.
        target: The same in the right order.
    """

    picture: str
    kind: Kind
    truth: str
    candidates: tuple[str, ...]
    target: tuple[str, ...]

    @property
    def answer(self) -> str:
        """Return what is said: the name, the letter, or all letters in the right order."""
        if self.kind == "open":
            return self.truth
        shown = dict(zip(self.candidates, letters(len(self.candidates)), strict=True))
        said = self.target if self.kind == "ranking" else (self.truth,)
        return "Answer:" + "".join(shown[label] for label in said)

    def record(self) -> dict[str, Any]:
        """Return it as a line of JSON in the form of a chat."""
        content = Content() if self.kind == "open" else Content(self.candidates)
        prompt = render(NAMES if self.kind == "open" else LETTERS, content)
        asked = next(
            piece.text for piece in prompt if isinstance(piece, Text) and piece.text.startswith("\nW")
        )
        messages = [
            {"role": "user", "content": f"<image>{asked}"},
            {"role": "assistant", "content": self.answer},
        ]
        own = {"image": self.picture, "kind": self.kind, "truth": self.truth}
        return own | {"candidates": self.candidates, "target": self.target, "messages": messages}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Example:
        """Return the example of a line."""
        return cls(
            record["image"],
            record["kind"],
            record["truth"],
            tuple(record["candidates"]),
            tuple(record["target"]),
        )


@dataclass
class Counts:
    """How much was left by each step; `hashes` name what the queries and the memory were."""

    steps: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, str] = field(default_factory=dict)


def windows(labels: Sequence[str], truth: str, size: int) -> Iterator[tuple[str, ...]]:
    """Yield the windows of so many neighbours that hold the truth; n neighbours have n - size + 1."""
    for start in range(len(labels) - size + 1):
        window = tuple(labels[start : start + size])
        if truth in window:
            yield window


def ordered(window: Sequence[str], truth: str, target: Target) -> tuple[str, ...]:
    """Return a window in the order that is right; names that stand twice still do."""
    if target == "similarity":
        return tuple(window)
    return tuple(sorted(window, key=lambda label: label != truth))


def examples(found: Iterable[Neighbours], options: Options, counts: Counts) -> Iterator[Example]:
    """Yield an example of each kind for each window that is kept.

    Args:
        found: What each picture found.
        options: How.
        counts: Is added to.
    """
    drawn = np.random.default_rng(options.seed)
    for each in found:
        counts.steps["pictures"] += 1
        counts.steps["neighbours"] += len(each.ids)
        pairs = zip(each.ids, each.labels, strict=True)
        labels = [label for id_, label in pairs if not (options.exclude_self and id_ == each.picture)]
        counts.steps["neighbours, itself passed over"] += len(labels)
        counts.steps["windows"] += max(0, len(labels) - options.window + 1)
        for window in windows(labels, each.truth, options.window):
            counts.steps["windows with the truth"] += 1
            right = ordered(window, each.truth, options.target)
            own = window
            if options.dedupe_classes:
                own, right = tuple(dict.fromkeys(window)), tuple(dict.fromkeys(right))
            if len(right) < 2:  # noqa: PLR2004  (nothing to order)
                continue
            counts.steps["windows of two classes or more"] += 1
            for kind in KINDS:
                shown = tuple(own[place] for place in drawn.permutation(len(own)))
                counts.steps[kind] += 1
                yield Example(each.picture, kind, each.truth, shown if options.shuffle else own, right)


def hashed(ids: Iterable[str]) -> str:
    """Return what names a split: the SHA-256 of its pictures' ids, in whatever order they came."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def write(path: Path, found: Iterable[Example]) -> None:
    """Write examples as JSON lines, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(each.record(), ensure_ascii=False) + "\n" for each in found)
    unfinished.rename(path)


def read(path: Path) -> list[Example]:
    """Return the examples of a file."""
    with path.open(encoding="utf-8") as file:
        return [Example.of(json.loads(line)) for line in file]
