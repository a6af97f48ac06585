"""Recognition across artists: `python -m models.evaluation.emoji`.

One artist's picture teaches each class, the others' pictures ask for it. Prints top-1 and
top-5 with their 95 % Wilson intervals, for pictures, for names alone, for both, beside a
pixel baseline and chance; then what the shipped gates do when half of the classes that are
asked for were never taught. With `--untrained` the packaged models are asked.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

from models.evaluation import encoders
from models.evaluation.encoders import NAMES, VISUAL, Encoder
from models.evaluation.metrics import ranks, top
from models.vision.images import ImageLimits, decode
from models.vision.preparation import prepare

PICTURES = Path(__file__).parents[2] / "examples" / "emoji"
LIMITS = ImageLimits(max_bytes=1 << 20, max_pixels=1 << 20, max_side_px=1 << 12)
NEIGHBOURS = 100
TRUST_THRESHOLD = 0.95
UNKNOWN_THRESHOLD = 0.75
PIXELS_PX = 16
HALVINGS = 20


@dataclass(frozen=True)
class Vote:
    """How one space votes: exp((similarity - reference) / temperature)."""

    temperature: float
    reference: float


VOTES = {VISUAL: Vote(0.066, 0.55), NAMES: Vote(0.093, 0.60)}
"""Of the encoders that ship."""
UNTRAINED_VOTES = {VISUAL: Vote(0.056, 0.44), NAMES: Vote(0.12, 0.80)}


@dataclass(frozen=True, eq=False)
class Views:
    """One artist's pictures in each space, one row a class."""

    visual: Float[np.ndarray, "n visual"]
    name: Float[np.ndarray, "n name"]
    pixels: Float[np.ndarray, "n pixels"]


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of artists, with classes.csv")
    parser.add_argument("--untrained", action="store_true", help="ask the packaged models")
    chosen = parser.parse_args()
    folder, votes = chosen.pictures, UNTRAINED_VOTES if chosen.untrained else VOTES
    with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
        classes = list(csv.DictReader(file))
    encoder = encoders.raw() if chosen.untrained else encoders.trained()
    names = encoder.read([one["label"] for one in classes])
    artists = sorted(path.name for path in folder.iterdir() if path.is_dir())
    seen = {artist: _views(encoder, _crops(folder / artist, classes)) for artist in artists}
    print(f"{len(classes)} classes; chance top-1 {1 / len(classes):.1%}, top-5 {5 / len(classes):.1%}\n")
    _compare(seen, names, votes)
    _gates(seen, votes[VISUAL])


def log_votes(similarity: Float[np.ndarray, "query label"], vote: Vote) -> Float[np.ndarray, "query label"]:
    """Return the logarithm of each label's votes; only the nearest neighbours vote."""
    count = min(NEIGHBOURS, similarity.shape[1])
    least = -np.partition(-similarity, count - 1, axis=1)[:, count - 1 : count]
    return np.where(similarity >= least, (similarity - vote.reference) / vote.temperature, -np.inf)


def _compare(
    seen: Mapping[str, Views], names: Float[np.ndarray, "n name"], votes: Mapping[str, Vote]
) -> None:
    truth = np.arange(len(names))
    print("| taught | asked | by | top-1 | top-5 | n |\n|---|---|---|---|---|---|")
    for teacher, memory in seen.items():
        for artist, query in seen.items():
            if artist == teacher:
                continue
            visual = log_votes(query.visual @ memory.visual.T, votes[VISUAL])
            name = log_votes(query.name @ names.T, votes[NAMES])
            _row(teacher, artist, "picture", ranks(visual, truth))
            _row(teacher, artist, "picture and name", ranks(np.logaddexp(visual, name), truth))
            _row(teacher, artist, "16 x 16 pixels", ranks(query.pixels @ memory.pixels.T, truth))
    for artist, query in seen.items():
        _row("names", artist, "name", ranks(log_votes(query.name @ names.T, votes[NAMES]), truth))


def _row(taught: str, asked: str, by: str, rank: Int[np.ndarray, "query"]) -> None:
    shares = []
    for most in (1, 5):
        found = top(rank, most)
        low, high = found.interval
        shares.append(f"{found.value:.1%} ({low:.1%} to {high:.1%})")
    print(f"| {taught} | {asked} | {by} | {shares[0]} | {shares[1]} | {len(rank)} |")


def _gates(seen: Mapping[str, Views], vote: Vote) -> None:
    """Half of the classes are taught, drawn anew each time; all are asked for."""
    drawn = np.random.default_rng(0)
    answers = []
    for _ in range(HALVINGS):
        for teacher, memory in seen.items():
            taught = drawn.permutation(len(memory.visual))[: len(memory.visual) // 2]
            for query in (views for artist, views in seen.items() if artist != teacher):
                similarity = query.visual @ memory.visual[taught].T
                answers.append(_answer(log_votes(similarity, vote), taught))
    right, known, margin, unknown = (np.concatenate(column) for column in zip(*answers, strict=True))
    refused = unknown > UNKNOWN_THRESHOLD
    trusted = (margin >= TRUST_THRESHOLD) & ~refused
    print("\nHalf of the classes taught by picture, all asked for:")
    print(f"- said unknown: {refused[~known].mean():.1%} of untaught, {refused[known].mean():.1%} of taught,")
    print(f"  {refused[right].mean():.1%} of those whose best label was right")
    print(f"- trusted: {trusted.mean():.1%} of all, {right[trusted].mean():.1%} of them right;")
    print(f"  {trusted[known].mean():.1%} of taught, {right[trusted & known].mean():.1%} of them right")


def _answer(
    votes: Float[np.ndarray, "query label"],
    taught: Int[np.ndarray, "label"],
) -> tuple[Bool[np.ndarray, "query"], Bool[np.ndarray, "query"], np.ndarray, np.ndarray]:
    """Return for each query: is the best label right, was it taught, margin, probability unknown."""
    truth = np.arange(len(votes))
    total = np.logaddexp.reduce(votes, axis=1)
    score = np.sort(np.exp(votes - total[:, None]), axis=1)
    unknown = np.exp(-np.logaddexp(0, total))
    right = taught[votes.argmax(1)] == truth
    return right, np.isin(truth, taught), score[:, -1] - score[:, -2], unknown


def _crops(folder: Path, classes: Sequence[Mapping[str, str]]) -> UInt8[np.ndarray, "n 224 224 3"]:
    paths = [next(folder.glob(f"{one['codepoint']}.*")) for one in classes]
    return np.stack([prepare(decode(path.read_bytes(), limits=LIMITS)) for path in paths])


def _views(encoder: Encoder, crops: UInt8[np.ndarray, "n 224 224 3"]) -> Views:
    seen = encoder.see(crops)
    small = [
        np.asarray(Image.fromarray(crop).resize((PIXELS_PX, PIXELS_PX), Image.Resampling.BOX))
        for crop in crops
    ]
    pixels = np.stack(small).reshape(len(crops), -1).astype(np.float64)
    pixels -= pixels.mean(0)
    return Views(seen[VISUAL], seen[NAMES], pixels / np.linalg.norm(pixels, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
