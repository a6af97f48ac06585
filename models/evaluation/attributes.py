"""What descriptions are worth as texts of the memory: `python -m models.evaluation.attributes`.

Classes are taught by their name, by their description, or by both, and pictures are asked, whose classes no
encoder was trained with. Votes are those of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from models.attributes.sets import from_keywords, from_package
from models.data.cache import load
from models.data.manifest import Manifest
from models.evaluation.encoders import NAMES, Encoder, trained
from models.evaluation.metrics import Share, share
from models.evaluation.subjects import crops_of

_TEMPERATURE: Final = 0.093  # of votes by name in the service
_FIRST: Final = 5
_PART: Final = 64


def measure(pictures: Manifest, texts: Mapping[str, str], encoder: Encoder) -> list[tuple[str, Share, Share]]:
    """Return how often the truth is first and among the first five, with intervals, for each way to teach."""
    labels = sorted(texts)
    truth = np.array([labels.index(row.label) for row in pictures.rows])
    seen = np.concatenate([encoder.see(crops_of(part))[NAMES] for part in _parts(pictures)])
    names = seen @ encoder.read(labels).T  # (picture, label)
    described = seen @ encoder.read([texts[label] for label in labels]).T
    votes = np.exp(names / _TEMPERATURE) + np.exp(described / _TEMPERATURE)
    ways = {"name": names, "description": described, "name and description": votes}
    hits = {way: _hits(similarity, truth) for way, similarity in ways.items()}
    return [(way, share(first), share(five)) for way, (first, five) in hits.items()]


def _parts(pictures: Manifest) -> list[Manifest]:
    rows = pictures.rows
    return [
        Manifest(pictures.name, pictures.folder, rows[start : start + _PART])
        for start in range(0, len(rows), _PART)
    ]


def _hits(
    similarity: Float[np.ndarray, "picture label"], truth: np.ndarray
) -> tuple[Bool[np.ndarray, "picture"], Bool[np.ndarray, "picture"]]:
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :_FIRST]
    right = order == truth[:, None]
    return right[:, 0], right.any(axis=1)


def _percent(found: Share) -> str:
    low, high = found.interval
    return f"{found.value:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Print the table."""
    encoder = trained()
    photos, emoji = load("photos"), load("emoji")
    packaged = from_package({row.label for row in photos.rows})
    keywords = from_keywords(emoji.rows)
    unseen = {row.label for row in emoji.rows if row["unseen"]}
    for title, pictures, texts in (
        ("photos, packaged descriptions", photos, packaged),
        (
            "emoji of names never trained on, keywords",
            emoji,
            {label: text for label, text in keywords.items() if label in unseen},
        ),
    ):
        rows = tuple(row for row in pictures.rows if row.label in texts)
        asked = Manifest(pictures.name, pictures.folder, rows)
        print(f"{title}: {len(texts)} classes, {len(rows)} pictures")
        for way, first, five in measure(asked, texts, encoder):
            print(f"| {way} | {_percent(first)} | {_percent(five)} |")


if __name__ == "__main__":
    main()
