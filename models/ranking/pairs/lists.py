"""Lists to learn from: a query, the candidates that retrieval takes for it, and pictures of each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

TEMPERATURE: Final = 0.066
REFERENCE: Final = 0.55
"""Of the votes that ship for pictures."""
TONES: Final = 5


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of each picture.

    Attributes:
        thing: Code point of its emoji.
        artist: Who drew it.
        tone: Skin tone; empty without one.
        fold: Which encoder does not know its name.
        vectors: Among pictures, by the encoder that does not know its name, unit norm.
    """

    thing: np.ndarray
    artist: np.ndarray
    tone: np.ndarray
    fold: Int[np.ndarray, "n"]
    vectors: Float[np.ndarray, "n dim"]


@dataclass(frozen=True, eq=False)
class Lists:
    """Queries with their candidates; numbers are places of pictures.

    Attributes:
        queries: One picture each.
        exemplars: Of each candidate.
        votes: Logarithm of retrieval's votes for each candidate.
        truth: Which candidate is right.
    """

    queries: Int[np.ndarray, "q"]
    exemplars: Int[np.ndarray, "q k s"]
    votes: Float32[np.ndarray, "q k"]
    truth: Int[np.ndarray, "q"]

    def __len__(self) -> int:
        return len(self.queries)

    def of(self, places: Int[np.ndarray, "b"]) -> Lists:
        """Return some of the lists."""
        return Lists(self.queries[places], self.exemplars[places], self.votes[places], self.truth[places])


def of_names(known: Known, fold: int, *, shots: int, most: int, drawn: np.random.Generator) -> Lists:
    """Return one list for each name of a fold that has more than so many pictures.

    Lists whose truth is not among the likeliest candidates are left out.

    Args:
        known: All pictures.
        fold: Whose names.
        shots: Pictures of each candidate.
        most: Candidates.
        drawn: Which picture is asked, and which are known.
    """
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place in np.flatnonzero((known.fold == fold) & (known.tone == "")).tolist():
        places[known.thing[place]].append(place)
    order = [drawn.permutation(own) for _, own in sorted(places.items()) if len(own) > shots]
    queries, memory = np.array([own[-1] for own in order]), np.stack([own[:shots] for own in order])
    votes = _votes(known, queries, memory[None].repeat(len(queries), axis=0))
    best = np.argsort(-votes, axis=1)[:, :most]
    is_right = best == np.arange(len(queries))[:, None]
    found = Lists(
        queries, memory[best], np.take_along_axis(votes, best, 1).astype(np.float32), is_right.argmax(1)
    )
    return found.of(np.flatnonzero(is_right.any(1)))


def of_tones(known: Known, fold: int, *, shots: int, drawn: np.random.Generator) -> Lists:
    """Return one list for each emoji of a fold that has five tones: by which of them is one of them drawn?

    Args:
        known: All pictures.
        fold: Whose names.
        shots: Other artists whose tones are known.
        drawn: Who is asked, for which tone, and who is known.
    """
    families: defaultdict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for place in np.flatnonzero((known.fold == fold) & (known.tone != "")).tolist():
        own = families[known.thing[place]].setdefault(known.artist[place], {})
        own[known.tone[place]] = place
    queries, exemplars, truth = [], [], []
    for _, artists in sorted(families.items()):
        names = [artist for artist, own in sorted(artists.items()) if len(own) == TONES]
        if len(names) <= shots:
            continue
        asked, *others = (artists[names[int(i)]] for i in drawn.permutation(len(names)))
        tones = sorted(asked)
        if any(set(own) != set(asked) for own in others):
            continue
        tone = int(drawn.integers(TONES))
        queries.append(asked[tones[tone]])
        exemplars.append([[own[each] for own in others[:shots]] for each in tones])
        truth.append(tone)
    if not queries:
        raise ValueError(f"no emoji of fold {fold} has five tones by more than {shots} artists")
    found, shown = np.array(queries), np.array(exemplars)
    return Lists(found, shown, _votes(known, found, shown).astype(np.float32), np.array(truth))


def _votes(
    known: Known, queries: Int[np.ndarray, "q"], exemplars: Int[np.ndarray, "q k s"]
) -> Float[np.ndarray, "q k"]:
    rows = [
        known.vectors[own.ravel()] @ known.vectors[query]
        for query, own in zip(queries, exemplars, strict=True)
    ]
    similarity = np.stack(rows).reshape(exemplars.shape).astype(np.float64)
    return np.asarray(np.log(np.exp((similarity - REFERENCE) / TEMPERATURE).sum(2)))


def is_apart(known: Known, things: frozenset[str]) -> Bool[np.ndarray, "n"]:
    """Return which pictures show something that is held apart."""
    return np.isin(known.thing, list(things))
