"""Encoding with models that sleep, as a process: `python -m benchmarks.sleeping_encoding`, for the pipeline.

Everything but the forward passes is real: events, images, decoding, the limit of images at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Final

import numpy as np

from services.encoding.assembly import assemble, open_senses
from services.encoding.settings import EncodingSettings
from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process

COST: Final = "BENCHMARK_MODEL_S"  # names the environment variable: seconds that one image takes
_OUTPUTS: Final = {
    "crops": (("embeddings", 640), ("names", 640), ("logits", 1000)),
    "logits": (("embeddings", 384),),
}


class SleepingModels:
    """Takes as long for each image as it is told, without a processor, and answers with the same vector."""

    def __init__(self, cost_s: float) -> None:
        self._cost_s = cost_s

    def run(self, _: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Sleep if there are crops; what follows from their logits takes no time."""
        ((kind, tensor),) = tensors.items()
        if kind == "crops":
            time.sleep(self._cost_s * len(tensor))
        return {output: _unit(len(tensor), width) for output, width in _OUTPUTS[kind]}

    def identity(self, name: str) -> str:
        """Return a name that no model has."""
        return f"{name}@sleeping"


def main() -> None:
    """Run as encoding does."""
    settings = EncodingSettings.load()
    start_logging("encoding", settings)
    with open_backbone(settings) as backbone:
        senses = open_senses(settings)
        models = SleepingModels(float(os.environ[COST]))
        version = metadata.version("fovea")
        encoding = assemble(settings, backbone.store, models, senses, version=version)
        run(Process([encoding], settings, resources=backbone.resources), settings)


def _unit(count: int, width: int) -> np.ndarray:
    vectors = np.zeros((count, width), np.float32)
    vectors[:, 0] = 1.0
    return vectors


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
