"""A data set of somebody's own, asked as the sets of docs/quality.md are."""

from __future__ import annotations

from collections import Counter
from typing import Final

from models.data.cache import cache_folder
from models.data.manifest import Manifest
from models.evaluation import encoders
from models.evaluation.protocols import names, shots
from models.evaluation.report import tables
from models.evaluation.subjects import Encoded, Pixels
from models.evaluation.suite import RAW, SHIPPED

_SHOTS: Final = (1, 2, 4, 8)


def report(pictures: Manifest) -> str:
    """Return two tables: by name alone, and by a few pictures of each class where it has enough of them."""
    cache = cache_folder().parent / "features"
    raw = Encoded(RAW, encoders.raw(), cache)
    shipped = Encoded(SHIPPED, encoders.trained(), cache)
    candidates = sorted({row.label for row in pictures.rows})
    title = f"{len(pictures):,} pictures, {len(candidates):,} classes"
    named = [names.named(title, pictures, candidates, subject, raw) for subject in (raw, shipped)]
    said = [title, tables.photographs([each for each in named if each is not None])]
    least = min(Counter(row.label for row in pictures.rows).values())
    counts = [count for count in _SHOTS if count < least]
    if counts:
        asked = [
            each
            for subject in (Pixels(cache), raw, shipped)
            for each in shots.ask(pictures, subject, shots=counts)
        ]
        said.append(tables.few_shots(asked))
    else:
        said.append("By picture: a class has one picture alone, so there is none to ask.")
    return "\n\n".join(said)
