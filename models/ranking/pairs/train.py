"""Trains fovea-pairs: `python -m models.ranking.pairs.train` makes models/store/fovea-pairs.

What encoders see of the training pictures is computed once and kept in the cache (`data.py`); training itself
takes minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.data.sets.emoji import ARTISTS
from models.ranking.pairs import lists
from models.ranking.pairs.data import Lessons, lessons
from models.ranking.pairs.export import export
from models.ranking.pairs.lists import Known, Lists
from models.ranking.pairs.network import PairNetwork, listwise, loss_of


@dataclass(frozen=True)
class Kind:
    """Steps of one kind about names.

    Attributes:
        shots: Pictures of each candidate.
        candidates: Of each list.
        lists: Of a step.
        twins: Whether another artist's picture may have the same design.
        alike: Whether the same artists are known of each candidate.
    """

    shots: int
    candidates: int
    lists: int
    twins: bool = True
    alike: bool = False


@dataclass(frozen=True)
class Settings:
    """All constants of a training.

    Attributes:
        steps: Of the optimiser, for drawings.
        surface_steps: Likewise for surfaces.
        rate: The highest learning rate.
        decay: Of weights.
        clip: Longest gradient.
        kinds: Of steps about names.
        most: Steps of each kind before lists are drawn anew.
        tones: Lists of a step about skin tones.
        surfaces: Pictures and number of classes, for each kind of step about surfaces.
        faults: Lists of a step about surfaces.
        viewed: Share of pictures that are seen in a random view.
        seed: Of weights and of what is drawn.
    """

    steps: int = 2400
    surface_steps: int = 800
    rate: float = 4e-3
    decay: float = 2e-2
    clip: float = 1.0
    kinds: tuple[Kind, ...] = (
        Kind(1, 8, 24),
        Kind(2, 6, 20),
        Kind(4, 5, 12),
        Kind(1, 8, 24, twins=False, alike=True),
        Kind(2, 6, 20, twins=False, alike=True),
        Kind(3, 5, 14, twins=False),
    )
    most: int = 12
    tones: int = 20
    surfaces: tuple[tuple[int, int], ...] = ((1, 3), (1, 5), (2, 4), (4, 3))
    faults: int = 40
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
    """Return the network after its training: how drawings are compared, and then how surfaces are."""
    torch.manual_seed(settings.seed)
    drawn = np.random.default_rng(settings.seed)
    network = PairNetwork(*known.statistics())
    steps, faults = _batches(known, settings, drawn), _surfaces(known, settings, drawn)

    def of_drawings(weight: Tensor) -> Tensor:
        batch = next(steps)
        found = scores(network, weight, known, batch, drawn=drawn, viewed=settings.viewed)
        return loss_of(found, torch.from_numpy(batch.truth))

    def of_surfaces(weight: Tensor) -> Tensor:
        batch = next(faults)
        found = surface_scores(network, weight, known, batch)
        return loss_of(found, torch.from_numpy(batch.truth))

    own = network.for_surfaces()
    others = [each for each in network.parameters() if all(each is not one for one in own)]
    _optimise(others, of_drawings, settings, settings.steps)
    _optimise(own, of_surfaces, settings, settings.surface_steps)
    return network.eval()


def _optimise(
    parameters: Sequence[nn.Parameter], loss_at: Callable[[Tensor], Tensor], settings: Settings, steps: int
) -> None:
    """Change parameters, and how much retrieval's votes count, for so many steps."""
    weight = nn.Parameter(torch.tensor(1.0))
    groups = [{"params": list(parameters)}, {"params": [weight], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps + 1)
    began = time.monotonic()
    for step in range(1, steps + 1):
        loss = loss_at(weight)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: {loss.item():.3f} after {time.monotonic() - began:.0f} s", flush=True)


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
    patches, odd, pixels = known.seen(pictures, drawn, viewed)
    if drawn is not None and drawn.random() < 0.5:  # noqa: PLR2004  (every other batch is mirrored)
        patches, pixels = patches.flip(2), pixels.flip(2)
    seen = network.picture(patches, odd, pixels)
    times = candidates * shots
    one, other = np.repeat(batch.queries, times), batch.exemplars.ravel()
    logits = network(
        seen.at(torch.from_numpy(np.repeat(place[:count], times))),
        seen.at(torch.from_numpy(place[count:])),
        known.cosines(one, other),
    )
    return listwise(logits.reshape(count, candidates, shots), torch.from_numpy(batch.votes), weight)


def surface_scores(network: PairNetwork, weight: Tensor, known: Lessons, batch: Lists) -> Tensor:
    """Return scores (query, candidate) of lists about surfaces."""
    count, candidates, shots = batch.exemplars.shape
    times = candidates * shots
    one, other = np.repeat(batch.queries, times), batch.exemplars.ravel()
    pictures, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    whole = network.whole(*known.seen(pictures, None, 0.0))
    sides = whole[torch.from_numpy(place[: len(one)])], whole[torch.from_numpy(place[len(one) :])]
    logits = network.as_surfaces(*sides, known.cosines(one, other))
    return listwise(logits.reshape(count, candidates, shots), torch.from_numpy(batch.votes), weight)


def _surfaces(known: Lessons, settings: Settings, drawn: np.random.Generator) -> Iterator[Lists]:
    """Yield batches about surfaces for ever."""
    while True:
        shots, classes = settings.surfaces[int(drawn.integers(len(settings.surfaces)))]
        found = lists.of_surfaces(known.taught, shots=shots, classes=classes, drawn=drawn)
        yield from _parts(found, settings.faults, drawn)


def _batches(known: Lessons, settings: Settings, drawn: np.random.Generator) -> Iterator[Lists]:
    """Yield batches for ever: lists are drawn anew when all were used."""
    while True:
        found: list[Lists] = []
        for fold in known.taught.folds:
            for kind in settings.kinds:
                found += list(_parts(_of_names(known.taught, fold, kind, drawn), kind.lists, drawn))[
                    : settings.most
                ]
            for shots in (1, 2):
                own = lists.of_tones(known.taught, fold, shots=shots, drawn=drawn)
                found += _parts(own, settings.tones, drawn)
        for place in drawn.permutation(len(found)).tolist():
            yield found[place]


def _of_names(known: Known, fold: int, kind: Kind, drawn: np.random.Generator) -> Lists:
    artists = ARTISTS if kind.twins else lists.without_twins(drawn)
    return lists.of_names(
        known,
        fold,
        shots=kind.shots,
        most=kind.candidates,
        drawn=drawn,
        artists=artists,
        alike=kind.alike,
    )


def _parts(found: Lists, size: int, drawn: np.random.Generator) -> Iterator[Lists]:
    order = drawn.permutation(len(found))
    for start in range(0, len(found) - size + 1, size):
        yield found.of(order[start : start + size])


if __name__ == "__main__":
    main()
