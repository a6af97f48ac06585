"""Lists to learn from: a query, the candidates that retrieval takes for it, and pictures of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from models.data.sets.emoji import ARTISTS, MAIN_ARTISTS
from models.vision.global_encoder.data import SAME_DESIGNS

TEMPERATURE: Final = 0.066
REFERENCE: Final = 0.55
"""Of the votes that ship for pictures."""
TONES: Final = 5
CANDIDATES: Final = 10
KINDS: Final = 3
"""Classes of a surface that development asks about."""
_DRAWS: Final = 4
"""How often each name held apart is asked for, by other pictures."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of each picture.

    Attributes:
        thing: Code point of its emoji; of a surface its class.
        artist: Who drew it; empty for surfaces.
        tone: Skin tone; empty without one.
        surface: Which surface it shows; empty for drawings.
        fold: Which encoder does not know its name.
        apart: Whether it is held apart: nothing is learned from it.
        vectors: Among pictures, by the encoder that does not know its name, unit norm.
    """

    thing: np.ndarray
    artist: np.ndarray
    tone: np.ndarray
    surface: np.ndarray
    fold: Int[np.ndarray, "n"]
    apart: Bool[np.ndarray, "n"]
    vectors: Float[np.ndarray, "n dim"]

    @property
    def folds(self) -> list[int]:
        """Which encoders there are."""
        return sorted(set(self.fold[self.surface == ""].tolist()))

    def drawings(self, fold: int) -> Bool[np.ndarray, "n"]:
        """Return which pictures are drawings without skin tone that an encoder does not know."""
        return np.asarray((self.fold == fold) & (self.tone == "") & (self.surface == ""))


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

    def of(self, places: Int[np.ndarray, "b"] | Bool[np.ndarray, "q"]) -> Lists:
        """Return some of the lists."""
        return Lists(self.queries[places], self.exemplars[places], self.votes[places], self.truth[places])


def joined(some: Iterable[Lists]) -> Lists:
    """Return lists of as many candidates and pictures each as one."""
    every = list(some)
    return Lists(
        np.concatenate([each.queries for each in every]),
        np.concatenate([each.exemplars for each in every]),
        np.concatenate([each.votes for each in every]),
        np.concatenate([each.truth for each in every]),
    )


def without_twins(drawn: np.random.Generator) -> tuple[str, ...]:
    """Return artists of whom none has another's designs."""
    ((one, other),) = SAME_DESIGNS.items()
    gone = one if drawn.random() < 0.5 else other  # noqa: PLR2004  (each as often)
    return tuple(artist for artist in ARTISTS if artist != gone)


def of_names(  # noqa: PLR0913  (what a list is drawn by)
    known: Known,
    fold: int,
    *,
    shots: int,
    most: int,
    drawn: np.random.Generator,
    artists: Sequence[str] = ARTISTS,
    alike: bool = False,
    apart: bool = False,
) -> Lists:
    """Return one list for each name of a fold that has more than so many pictures.

    Lists whose truth is not among the likeliest candidates are left out.

    Args:
        known: All pictures.
        fold: Whose names.
        shots: Pictures of each candidate.
        most: Candidates.
        drawn: Which picture is asked, and which are known.
        artists: By whom all of them are.
        alike: Whether one artist is asked for all names, and the same are known of each.
        apart: Whether names held apart are asked for, among all; otherwise no picture of them is shown.
    """
    usable = known.drawings(fold) & np.isin(known.artist, artists)
    if not apart:
        usable &= ~known.apart
    places: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for place in np.flatnonzero(usable).tolist():
        places[known.thing[place]][known.artist[place]] = place
    order = [artists[int(i)] for i in drawn.permutation(len(artists))]
    if alike:
        order = [order[-1], *order[:shots]]
        chosen = [[own[a] for a in order] for _, own in sorted(places.items()) if set(order) <= set(own)]
    else:
        chosen = [
            drawn.permutation(list(own.values()))[: shots + 1].tolist()
            for _, own in sorted(places.items())
            if len(own) > shots
        ]
    queries, memory = np.array(chosen)[:, 0], np.array(chosen)[:, 1:]
    votes = _votes(known, queries, memory[None].repeat(len(queries), axis=0))
    best = np.argsort(-votes, axis=1)[:, :most]
    is_right = best == np.arange(len(queries))[:, None]
    found = Lists(
        queries, memory[best], np.take_along_axis(votes, best, 1).astype(np.float32), is_right.argmax(1)
    )
    return found.of(is_right.any(1) & (known.apart[queries] == apart))


def of_tones(
    known: Known, fold: int, *, shots: int, drawn: np.random.Generator, apart: bool = False
) -> Lists:
    """Return one list for each emoji of a fold that has five tones: by which of them is one of them drawn?

    Args:
        known: All pictures.
        fold: Whose names.
        shots: Other artists whose tones are known.
        drawn: Who is asked, for which tone, and who is known.
        apart: Whether emoji held apart are asked for.
    """
    families: defaultdict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    usable = (known.fold == fold) & (known.tone != "") & (known.apart == apart)
    for place in np.flatnonzero(usable).tolist():
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
    return _listed(known, queries, exemplars, truth)


def of_surfaces(
    known: Known, *, shots: int, classes: int, drawn: np.random.Generator, apart: bool = False
) -> Lists:
    """Return lists of each surface's classes, one for each class that is among those drawn.

    Args:
        known: All pictures.
        shots: Pictures of each class.
        classes: That are told apart.
        drawn: Which classes, which picture is asked, and which are known.
        apart: Whether of families held apart.
    """
    surfaces: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place in np.flatnonzero((known.surface != "") & (known.apart == apart)).tolist():
        surfaces[known.surface[place]][known.thing[place]].append(place)
    queries, exemplars, truth = [], [], []
    for _, kinds in sorted(surfaces.items()):
        names = sorted(kinds)
        chosen = [drawn.permutation(kinds[names[int(i)]]) for i in drawn.permutation(len(names))[:classes]]
        for place, own in enumerate(chosen):
            queries.append(int(own[shots]))
            exemplars.append([each[:shots].tolist() for each in chosen])
            truth.append(place)
    return _listed(known, queries, exemplars, truth)


def development(known: Known, *, seed: int = 0) -> Mapping[str, Lists]:
    """Return lists of what nothing was learned from, by the row of the few-shot table that they stand for."""
    drawn = np.random.default_rng(seed)
    folds, rows = known.folds, {}
    for shots in (1, 2, 4):
        rows[f"any artists, {shots}"] = joined(
            of_names(known, fold, shots=shots, most=CANDIDATES, drawn=drawn, apart=True)
            for fold in folds
            for _ in range(_DRAWS)
        )
    for shots in (1, 2):
        rows[f"another artist, {shots}"] = joined(
            of_names(
                known,
                fold,
                shots=shots,
                most=CANDIDATES,
                drawn=drawn,
                artists=MAIN_ARTISTS,
                alike=True,
                apart=True,
            )
            for fold in folds
            for _ in range(_DRAWS)
        )
    for shots in (1, 2):
        rows[f"tones, {shots}"] = joined(
            of_tones(known, fold, shots=shots, drawn=drawn, apart=True)
            for fold in folds
            for _ in range(_DRAWS)
        )
    for shots in (1, 2, 4):
        rows[f"surfaces, {shots}"] = joined(
            of_surfaces(known, shots=shots, classes=KINDS, drawn=drawn, apart=True) for _ in range(_DRAWS)
        )
    return rows


def _listed(
    known: Known, queries: Sequence[int], exemplars: Sequence[Sequence[Sequence[int]]], truth: Sequence[int]
) -> Lists:
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
