"""The questions of each row of the few-shot table; nothing that ships learned from their classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.data.manifest import Manifest, Row
from models.data.sets.emoji import MAIN_ARTISTS, TONES
from models.data.splits import WITHHELD
from models.evaluation.protocols.artists import base_of
from models.evaluation.protocols.tones import parents_of, tones_of
from models.evaluation.ranking.questions import Memory, Picture, Question, ask, by_name, by_picture
from models.evaluation.sampling import few_shot
from models.evaluation.subjects import Subject

DRAWINGS: Final = "drawings of withheld names"
ACROSS: Final = "drawings of withheld names, by another artist"
TEXTILE: Final = "textiles, sound or not"
TONED: Final = "skin tones, the emoji given"
PHOTOGRAPHS: Final = "photographs by name"
UNSEEN: Final = "withheld names by name"
SHOTS: Final = {
    DRAWINGS: (1, 2, 4),
    ACROSS: (1, 2),
    TEXTILE: (1, 2, 4, 8),
    TONED: (1, 2),
    PHOTOGRAPHS: (0,),
    UNSEEN: (0,),
}
"""Pictures of each class that are known; 0: its name is."""
_SEED: Final = 0
_TEXTILE_QUERIES: Final = 96
"""Of each kind, as in the table of shots."""
_TEXTILES: Final = 4
"""One in so many is enough."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The questions of one row.

    Attributes:
        title: Of the set.
        shots: Pictures of each class that are known; 0: its name is.
        questions: Drawn by seed.
        classes: That are known.
    """

    title: str
    shots: int
    questions: tuple[Question, ...]
    classes: int

    @property
    def name(self) -> str:
        """How figures call the row."""
        return f"{self.title}, {self.shots}" if self.shots else self.title


class Sets:
    """Draws the questions.

    Args:
        sets: `emoji`, `photos` and `textile`.
        subject: The encoder whose candidates are ordered.
        most: Questions of each row.
    """

    def __init__(self, sets: dict[str, Manifest], subject: Subject, most: int) -> None:
        self._sets = sets
        self._subject = subject
        self._most = most

    def rows(self) -> Iterator[Asked]:
        """Yield every row of the table."""
        for title, draw in (
            (DRAWINGS, self.drawings),
            (ACROSS, self.across),
            (TONED, self.tones),
            (TEXTILE, self.textile),
            (PHOTOGRAPHS, self.photographs),
            (UNSEEN, self.unseen),
        ):
            for shots in SHOTS[title]:
                yield draw(shots)

    def drawings(self, shots: int) -> Asked:
        """Ask for a drawing of each class, of which so many others are known."""
        return self._few_shot(DRAWINGS, withheld_drawings(self._sets["emoji"]), shots, queries=1)

    def across(self, shots: int) -> Asked:
        """Ask for drawings by each of three artists, none of whose designs are another's, by the others'."""
        withheld = withheld_drawings(self._sets["emoji"])
        by_artist = {artist: base_of(withheld, artist) for artist in MAIN_ARTISTS}
        drawn = np.random.default_rng(_SEED)
        questions = []
        for artist, asked in by_artist.items():
            others = [each for each in MAIN_ARTISTS if each != artist]
            known = [by_artist[others[int(place)]] for place in drawn.permutation(len(others))][:shots]
            rows = [row for each in known for row in each.rows]
            labels = sorted({row.label for row in rows})
            memory = by_picture(
                labels,
                np.concatenate([self._subject.see(each).visual for each in known]),
                np.array([labels.index(row.label) for row in rows]),
                [Picture(withheld, row) for row in rows],
            )
            questions += [
                ask(Picture(withheld, row), vector, memory, truth=row.label, group=row["group"])
                for row, vector in zip(asked.rows, self._subject.see(asked).visual, strict=True)
                if row.label in labels
            ]
        return Asked(ACROSS, shots, _some(questions, self._most), len(labels))

    def textile(self, shots: int) -> Asked:
        """Ask for a quarter of the pictures of three kinds."""
        textile = self._sets["textile"]
        some = Manifest(textile.name, textile.folder, textile.rows[::_TEXTILES])
        return self._few_shot(TEXTILE, some, shots, queries=min(_TEXTILE_QUERIES, self._most // 3))

    def tones(self, shots: int) -> Asked:
        """Ask for the tone of emoji that were withheld with all their tones, by other artists' pictures."""
        emoji = self._sets["emoji"]
        parents = parents_of(emoji, WITHHELD)
        drawn = np.random.default_rng(_SEED)
        questions = []
        for artist in MAIN_ARTISTS:
            asked = tones_of(emoji, artist, parents)
            seen = self._subject.see(asked).visual
            others = [each for each in MAIN_ARTISTS if each != artist]
            others = [others[int(place)] for place in drawn.permutation(len(others))][:shots]
            known = Manifest(
                emoji.name,
                emoji.folder,
                tuple(row for each in others for row in tones_of(emoji, each, parents).rows),
            )
            memories = _by_parent(known, self._subject.see(known).visual)
            questions += [
                ask(
                    Picture(emoji, row),
                    vector,
                    memories[row["parent"]],
                    truth=_toned(row),
                    group=row["tone"].partition("+")[0],
                )
                for row, vector in zip(asked.rows, seen, strict=True)
            ]
        return Asked(TONED, shots, _some(questions, self._most), len(TONES))

    def photographs(self, shots: int) -> Asked:
        """Ask for photographs among all of their names."""
        photos = self._sets["photos"]
        return self._named(PHOTOGRAPHS, photos, sorted({row.label for row in photos.rows}), shots)

    def unseen(self, shots: int) -> Asked:
        """Ask for pictures of names that nothing was trained on, among those names."""
        pictures = withheld_names(self._sets["emoji"])
        names = list(dict.fromkeys(row.label for row in pictures.rows))
        return self._named(UNSEEN, pictures, names, shots)

    def _named(self, title: str, pictures: Manifest, names: Sequence[str], shots: int) -> Asked:
        vectors, seen = self._subject.read(names), self._subject.see(pictures).name
        if vectors is None or seen is None:
            raise ValueError(f"{self._subject.title} knows no names")
        memory = by_name(names, vectors)
        questions = [
            ask(Picture(pictures, row), vector, memory, truth=row.label, group=row["group"])
            for row, vector in zip(pictures.rows, seen, strict=True)
        ]
        return Asked(title, shots, _some(questions, self._most), len(names))

    def _few_shot(self, title: str, pictures: Manifest, shots: int, *, queries: int) -> Asked:
        """Draw as `protocols.shots` does with its first seed: more shots only add to fewer."""
        wanted = max(SHOTS[title]) + queries
        counts = Counter(row.label for row in pictures.rows)
        enough = pictures.where(lambda row: counts[row.label] >= wanted)
        labels = [row.label for row in enough.rows]
        drawn = few_shot(labels, shots=wanted, seed=_SEED)  # (class, wanted)
        seen = self._subject.see(enough).visual
        known = drawn[:, :shots].ravel()
        memory = by_picture(
            sorted(set(labels)),
            seen[known],
            np.repeat(np.arange(len(drawn)), shots),
            [Picture(enough, enough.rows[place]) for place in known],
        )
        questions = [
            ask(
                Picture(enough, enough.rows[place]),
                seen[place],
                memory,
                truth=labels[place],
                group=enough.rows[place]["group"],
            )
            for place in drawn[:, -queries:].ravel()
        ]
        return Asked(title, shots, _some(questions, self._most), len(drawn))


def withheld_drawings(emoji: Manifest) -> Manifest:
    """Return the drawings of base emoji that were withheld by name, whoever drew them."""
    return emoji.where(lambda row: not row["parent"] and bool(row["example"] or row["unseen"]))


def withheld_names(emoji: Manifest) -> Manifest:
    """Return the pictures of the names that were drawn to be withheld, by the artists who drew everything."""
    rows = [row for artist in MAIN_ARTISTS for row in base_of(emoji, artist).rows if row["unseen"]]
    return Manifest(emoji.name, emoji.folder, tuple(rows))


def _by_parent(known: Manifest, seen: np.ndarray) -> dict[str, Memory]:
    """Return the memory of each emoji: its tones."""
    memories = {}
    for parent in dict.fromkeys(row["parent"] for row in known.rows):
        places = [place for place, row in enumerate(known.rows) if row["parent"] == parent]
        labels = list(dict.fromkeys(_toned(known.rows[place]) for place in places))
        owner = np.array([labels.index(_toned(known.rows[place])) for place in places])
        memories[parent] = by_picture(
            labels, seen[places], owner, [Picture(known, known.rows[place]) for place in places]
        )
    return memories


def _toned(row: Row) -> str:
    """Return what tone a picture has, in the words of its label."""
    return row.label.rpartition(": ")[2].partition("+")[0].removesuffix(" skin tone") + " skin tone"


def _some(questions: Sequence[Question], most: int) -> tuple[Question, ...]:
    """Return so many questions, drawn by seed; more only add to fewer."""
    order = np.random.default_rng(_SEED).permutation(len(questions))[:most]
    return tuple(questions[int(place)] for place in order)
