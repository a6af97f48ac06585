"""What a training run prints on its way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from models.segmentation.heads.train import Report
from models.segmentation.recipe import TrainingSettings

_MEAN_OF: Final = 50
_SAID_EVERY: Final = 250


def said(what: str) -> Callable[[int, float], None]:
    """Return what prints the loss of some steps."""

    def report(step: int, loss: float) -> None:
        if (step + 1) % _SAID_EVERY == 0:
            print(f"{what}, step {step + 1}: loss {loss:.3f}", flush=True)

    return report


def counter(what: str) -> Callable[[int], None]:
    """Return what prints how many scenes there are."""
    return lambda count: print(f"{what}: {count} scenes", flush=True)


def reporter(settings: TrainingSettings, watch: Callable[[], None]) -> Report:
    """Return what prints the mean terms of some steps, and now and then has development scenes looked at."""
    started = time.monotonic()
    latest: deque[Mapping[str, float]] = deque(maxlen=_MEAN_OF)

    def report(step: int, terms: Mapping[str, float]) -> None:
        latest.append(terms)
        if (step + 1) % _MEAN_OF == 0:
            means = {name: sum(each[name] for each in latest) / len(latest) for name in terms}
            terms_said = " ".join(f"{name} {mean:.3f}" for name, mean in means.items())
            took_s = time.monotonic() - started
            print(
                f"step {step + 1}, {took_s:.0f} s: loss {sum(means.values()):.3f}: {terms_said}", flush=True
            )
        if (step + 1) % settings.watched_every == 0:
            watch()

    return report
