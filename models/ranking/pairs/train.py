"""Trains fovea-pairs: `python -m models.ranking.pairs.train` makes models/store/fovea-pairs.

What encoders see of the training pictures is computed once and kept in the cache (`data.py`); training itself
takes minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.ranking.pairs import lists
from models.ranking.pairs.data import FOLDS, Lessons, lessons
from models.ranking.pairs.export import export
from models.ranking.pairs.lists import Lists
from models.ranking.pairs.network import PairNetwork, listwise, loss_of


@dataclass(frozen=True)
class Settings:
    """All constants of a training.

    Attributes:
        steps: Of the optimiser.
        rate: The highest learning rate.
        decay: Of weights.
        clip: Longest gradient.
        kinds: Pictures of each candidate, candidates and lists of a step, for each kind of step about names.
        most: Steps of each kind before lists are drawn anew.
        tones: Lists of a step about skin tones.
        viewed: Share of pictures that are seen in a random view.
        seed: Of weights and of what is drawn.
    """

    steps: int = 900
    rate: float = 4e-3
    decay: float = 2e-2
    clip: float = 1.0
    kinds: tuple[tuple[int, int, int], ...] = ((1, 8, 24), (2, 6, 20), (4, 5, 12))
    most: int = 12
    tones: int = 20
    viewed: float = 0.5
    seed: int = 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(prog="python -m models.ranking.pairs.train", description=__doc__)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    export(trained(lessons(), Settings(steps=chosen.steps)))


def trained(known: Lessons, settings: Settings) -> PairNetwork:
    """Return the network after its training."""
    torch.manual_seed(settings.seed)
    drawn = np.random.default_rng(settings.seed)
    network = PairNetwork(*known.statistics())
    weight = nn.Parameter(torch.tensor(1.0))
    groups = [{"params": network.parameters()}, {"params": [weight], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=settings.steps + 1)
    steps = _batches(known, settings, drawn)
    began = time.monotonic()
    for step in range(1, settings.steps + 1):
        batch = next(steps)
        loss = loss_of(
            scores(network, weight, known, batch, drawn=drawn, viewed=settings.viewed),
            torch.from_numpy(batch.truth),
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step}: {loss.item():.3f} after {time.monotonic() - began:.0f} s", flush=True)
    return network.eval()


def scores(  # noqa: PLR0913  (what a step is made of)
    network: PairNetwork,
    weight: Tensor,
    known: Lessons,
    batch: Lists,
    *,
    drawn: np.random.Generator | None = None,
    viewed: float = 0.0,
) -> Tensor:
    """Return scores (query, candidate): of pictures as they are, or where something is drawn, of views."""
    count, candidates, shots = batch.exemplars.shape
    pictures, place = np.unique(np.concatenate([batch.queries, batch.exemplars.ravel()]), return_inverse=True)
    patches, pixels = known.seen(pictures, drawn, viewed)
    if drawn is not None and drawn.random() < 0.5:  # noqa: PLR2004  (every other batch is mirrored)
        patches, pixels = patches.flip(2), pixels.flip(2)
    seen = network.picture(patches, pixels)
    times = candidates * shots
    one, other = np.repeat(batch.queries, times), batch.exemplars.ravel()
    logits = network(
        seen.at(torch.from_numpy(np.repeat(place[:count], times))),
        seen.at(torch.from_numpy(place[count:])),
        known.cosines(one, other),
    )
    return listwise(logits.reshape(count, candidates, shots), torch.from_numpy(batch.votes), weight)


def _batches(known: Lessons, settings: Settings, drawn: np.random.Generator) -> Iterator[Lists]:
    """Yield batches for ever: lists are drawn anew when all were used."""
    while True:
        found: list[Lists] = []
        for fold in range(FOLDS):
            for shots, most, size in settings.kinds:
                own = lists.of_names(known.taught, fold, shots=shots, most=most, drawn=drawn)
                found += list(_parts(own, size, drawn))[: settings.most]
            for shots in (1, 2):
                own = lists.of_tones(known.taught, fold, shots=shots, drawn=drawn)
                found += _parts(own, settings.tones, drawn)
        for place in drawn.permutation(len(found)).tolist():
            yield found[place]


def _parts(found: Lists, size: int, drawn: np.random.Generator) -> Iterator[Lists]:
    order = drawn.permutation(len(found))
    for start in range(0, len(found) - size + 1, size):
        yield found.of(order[start : start + size])


if __name__ == "__main__":
    main()
