"""What fovea-pairs is worth on what is held apart: `python -m models.ranking.pairs.guard`.

Prints, for each row of development lists, how many are right by retrieval's votes, with the same weights for
every row and with those that fit the row best: whether a weight that helps one row hurts another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float

from models.ranking.fitting import Labelled, fit
from models.ranking.joining import RETRIEVAL, Weights, join
from models.ranking.pairs.data import Lessons, lessons
from models.ranking.pairs.lists import Lists, development
from models.ranking.pairs.looks import FIELDS, LOGITS, Look, evidence, is_familiar
from models.ranking.pairs.seeing import session

PAIRS: Final = "pairs"
SAME: Final[Mapping[str, float]] = {RETRIEVAL: 1.3, PAIRS: 0.6}
"""For every row, the names of candidates left aside; what ships is fitted with those."""
_AT_ONCE: Final = 24


def main() -> None:
    """Print the table."""
    known = lessons()
    print(f"{'':20} {'n':>5} votes   same fitted  by weights")
    for name, row in development(known.taught).items():
        said = labelled(known, row, compared(known, row))
        found = fit(said, (RETRIEVAL, PAIRS))
        shares = [right(said, Weights((each,))) for each in ({RETRIEVAL: 1.0}, SAME, found.weights)]
        figures = "  ".join(f"{100 * each:5.1f}" for each in shares)
        print(f"{name:20} {len(row):5} {figures}  " + ", ".join(f"{w:.2f}" for w in found.weights.values()))


def compared(known: Lessons, some: Lists) -> Float[np.ndarray, "q k s"]:
    """Return the logit of each pair, by the graph that ships."""
    graph = session("fovea-pairs")
    found = []
    for start in range(0, len(some), _AT_ONCE):
        part = some.of(np.arange(start, min(start + _AT_ONCE, len(some))))
        _, candidates, shots = part.exemplars.shape
        one, other = np.repeat(part.queries, candidates * shots), part.exemplars.ravel()
        inputs = {
            f"{side}_{name}": known.plain(name, places)
            for side, places in (("query", one), ("exemplar", other))
            for name in FIELDS
        }
        found.append(graph.run([LOGITS], inputs)[0].reshape(part.exemplars.shape))
    return np.concatenate(found)


def labelled(known: Lessons, some: Lists, logits: Float[np.ndarray, "q k s"]) -> list[Labelled]:
    """Return what retrieval and the comparisons say of each list's candidates, as the service joins it."""
    owner = np.repeat(np.arange(logits.shape[1]), logits.shape[2])
    said: list[Labelled] = []
    for shown, votes, own, truth in zip(some.exemplars, some.votes, logits, some.truth.tolist(), strict=True):
        fields = [known.plain(name, shown.ravel()) for name in FIELDS]
        looks = [Look(*rows) for rows in zip(*fields, strict=True)]
        found = evidence(own.ravel(), owner, len(own)) if is_familiar(looks, owner) else None
        sources: Mapping[str, np.ndarray] = {RETRIEVAL: votes.astype(np.float64)}
        said.append(Labelled({**sources, **({} if found is None else {PAIRS: found})}, truth))
    return said


def right(said: list[Labelled], weights: Weights) -> float:
    """Return the share of lists whose likeliest candidate is right."""
    return float(
        np.mean(
            [
                join(len(each.evidence[RETRIEVAL]), each.evidence, unknown=0.0, weights=weights).order[0]
                == each.truth
                for each in said
            ]
        )
    )


if __name__ == "__main__":
    main()
