"""Encoders that never saw one artist: trained when they are not in the cache, which takes minutes each."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from models.data.cache import cache_folder
from models.evaluation.encoders import Encoder, NoSuchModel, trained
from models.vision.global_encoder.recipe import Recipe

TRAINING: Final = Path(__file__).parents[2] / "build" / "training" / "bin" / "python"
"""The environment that has torch: `make build/training/ready` makes it."""


class CannotTrain(RuntimeError):
    """A fold is not in the cache and could not be trained."""


def fold(held_out: str) -> Encoder:
    """Return the encoder that was trained without an artist, by today's recipe.

    Raises:
        CannotTrain: If it has to be trained first and that failed.
    """
    folder = cache_folder().parent / "folds" / f"{held_out}-{Recipe().digest}"
    try:
        return trained(folder)
    except NoSuchModel:
        _train(held_out, folder)
    return trained(folder)


def _train(held_out: str, folder: Path) -> None:
    if not TRAINING.is_file():
        raise CannotTrain(f"{TRAINING} is not there: `make build/training/ready` makes it")
    print(f"training the fold without {held_out}: up to 20 minutes, once")
    command = [
        str(TRAINING),
        "-m",
        "models.vision.train",
        "fold",
        "--held-out",
        held_out,
        "--out",
        str(folder),
    ]
    done = subprocess.run(command, check=False)  # noqa: S603  (this project's own program)
    if done.returncode:
        raise CannotTrain(f"{' '.join(command)} ended with code {done.returncode}")
