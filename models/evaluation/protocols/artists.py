"""Emoji of one artist asked, the others' pictures or the names known: what does a change of style cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from models.data.manifest import Manifest, Row
from models.data.sets.emoji import MAIN_ARTISTS
from models.evaluation.metrics import Share, best_of_groups, ranks, top
from models.evaluation.subjects import Subject

PICTURE: Final = "picture"
NAME: Final = "name"


@dataclass(frozen=True, eq=False)
class Asked:
    """The rank of every class's truth, classes in order of their code points.

    Attributes:
        artist: Whose pictures were asked.
        subject: Title of who answered.
        by: `picture` (the nearest picture by the other artists) or `name`.
        rank: 0 where the truth came first.
        rows: What was asked.
    """

    artist: str
    subject: str
    by: str
    rank: Int[np.ndarray, "class"]
    rows: tuple[Row, ...]

    def top(self, size: int) -> Share:
        """Return how often the truth is among the first."""
        return top(self.rank, size)

    def within(self, column: str, value: str) -> Share:
        """Return top-1 of a group of classes, all classes being candidates."""
        return top(self.rank[[row[column] == value for row in self.rows]], 1)


def base_of(emoji: Manifest, artist: str) -> Manifest:
    """Return an artist's base emoji by code point, so that all artists' rows are of the same classes."""
    chosen = emoji.where(lambda row: row["artist"] == artist and not row["parent"])
    ordered = sorted(chosen.rows, key=lambda row: row["codepoint"])
    return Manifest(emoji.name, emoji.folder, tuple(ordered))


def ask(emoji: Manifest, subjects: Mapping[str, Sequence[Subject]]) -> list[Asked]:
    """Ask for each artist's pictures.

    Args:
        emoji: The set.
        subjects: For each artist that is asked, who answers; a trained one never saw that artist.
    """
    return [
        asked
        for held_out in MAIN_ARTISTS
        for subject in subjects[held_out]
        for asked in _ask(emoji, held_out, subject)
    ]


def _ask(emoji: Manifest, held_out: str, subject: Subject) -> list[Asked]:
    query = base_of(emoji, held_out)
    known = [base_of(emoji, artist) for artist in MAIN_ARTISTS if artist != held_out]
    truth = np.arange(len(query))
    seen = subject.see(query)
    memory = np.concatenate([subject.see(each).visual for each in known])
    group = np.concatenate([truth for _ in known])
    found = [_asked(query, held_out, subject, PICTURE, best_of_groups(seen.visual @ memory.T, group))]
    names = subject.read([row.label for row in query.rows])
    if names is not None and seen.name is not None:
        found.append(_asked(query, held_out, subject, NAME, seen.name @ names.T))
    return found


def _asked(
    query: Manifest, artist: str, subject: Subject, by: str, score: Float[np.ndarray, "class class"]
) -> Asked:
    return Asked(artist, subject.title, by, ranks(score, np.arange(len(score))), query.rows)
