"""Skin tones: the right emoji is given, which of its five tones is it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from models.data.manifest import Manifest, Row
from models.data.sets.emoji import MAIN_ARTISTS, TONES
from models.evaluation.metrics import Share, ranks, share
from models.evaluation.subjects import Subject


@dataclass(frozen=True, eq=False)
class Toned:
    """How one subject told the tones of one artist's pictures by the others'; `what` says of which emoji."""

    artist: str
    subject: str
    what: str
    right: Bool[np.ndarray, "picture"]

    @property
    def share(self) -> Share:
        """How many were right; a fifth by chance."""
        return share(self.right)


def tell(emoji: Manifest, held_out: str, subject: Subject, split: str | None = None) -> Toned:
    """Tell the tones of an artist's emoji; of a split, those whose every picture is in it."""
    parents = parents_of(emoji, split)
    query = tones_of(emoji, held_out, parents)
    known = [tones_of(emoji, artist, parents) for artist in MAIN_ARTISTS if artist != held_out]
    seen = subject.see(query).visual
    memory = [subject.see(each).visual for each in known]
    right = np.zeros(len(query), dtype=np.bool_)
    for places in _families(query.rows):
        score = np.max([seen[places] @ each[places].T for each in memory], axis=0)  # (tone, tone)
        right[places] = ranks(score, np.arange(len(places))) == 0
    return Toned(held_out, subject.title, f"{len(parents)} {split or ''} emoji".replace("  ", " "), right)


def tones_of(emoji: Manifest, artist: str, parents: frozenset[str]) -> Manifest:
    """Return an artist's emoji in one tone, by code point: the same classes for every artist."""
    plain = {"+".join([tone] * times) for tone in TONES.values() for times in (1, 2)}
    chosen = emoji.where(
        lambda row: row["artist"] == artist and row["parent"] in parents and row["tone"] in plain
    )
    return Manifest(emoji.name, emoji.folder, tuple(sorted(chosen.rows, key=lambda row: row["codepoint"])))


def parents_of(emoji: Manifest, split: str | None = None) -> frozenset[str]:
    """Return the emoji that have tones; of a split, only those whose every picture is in it."""
    toned = [row for row in emoji.rows if row["parent"]]
    others = {row["parent"] for row in toned if split is not None and row.split != split}
    return frozenset(row["parent"] for row in toned) - others


def _families(rows: Sequence[Row]) -> list[list[int]]:
    families: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        families[row["parent"]].append(place)
    return list(families.values())
