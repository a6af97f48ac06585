"""What a mask has to beat: everything is foreground, and the best a class-activation map could give."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from models.evaluation.detection.answers import Asked
from models.evaluation.detection.intervals import Estimate, estimate, weighted_mean
from models.evaluation.detection.passes import scenes_digest
from models.evaluation.folds import TRAINING, CannotTrain

ACTIVATION_SCENES: Final = 50
_PROGRAM: Final = "models.evaluation.detection.activation.network"


def everything(asked: Sequence[Asked]) -> Estimate:
    """Return the mean IoU of a mask of the whole picture with each thing that alone answers a prompt."""
    found = [
        (scene, truths[0].area_px / (each.width_px * each.height_px))
        for scene, each in enumerate(asked)
        for truths in each.present().values()
        if len(truths) == 1 and not truths[0].crowd
    ]
    return _mean([scene for scene, _ in found], [overlap for _, overlap in found], len(asked))


def activation(name: str, cache: Path) -> Estimate:
    """Return the mean IoU of class-activation maps with class and threshold chosen by the truth.

    Args:
        name: Of the evaluation set.
        cache: Folder for what was measured.

    Raises:
        CannotTrain: If it has to be measured first, which needs torch, and that failed.
    """
    file = cache / f"activation-{name}-{ACTIVATION_SCENES}-{scenes_digest()[:32]}.json"
    if not file.is_file():
        _measure(name, file)
    found = json.loads(file.read_text(encoding="utf-8"))
    return _mean([each["scene"] for each in found], [each["iou"] for each in found], ACTIVATION_SCENES)


def _measure(name: str, file: Path) -> None:
    if not TRAINING.is_file():
        raise CannotTrain(f"{TRAINING} is not there: `make build/training/ready` makes it")
    print("measuring class-activation maps, once")
    scenes = str(ACTIVATION_SCENES)
    command = [str(TRAINING), "-m", _PROGRAM, "--set", name, "--scenes", scenes, "--out", str(file)]
    done = subprocess.run(command, check=False)  # noqa: S603  (this project's own program)
    if done.returncode:
        raise CannotTrain(f"{' '.join(command)} ended with code {done.returncode}")


def _mean(scene: Sequence[int], overlap: Sequence[float], scenes: int) -> Estimate:
    places, values = np.array(scene, dtype=np.int64), np.array(overlap, dtype=np.float64)

    def mean(weights: Float[np.ndarray, "scene"]) -> float:
        return weighted_mean(values, weights[places])

    return estimate(mean, scenes, len(values))
