"""Encoding whose model dies in native code when it meets a picture that is all magenta.

The service is the real one; only what runs its models is wrapped, as a broken runtime would be.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Final

import numpy as np

from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.process import Process

FATAL: Final = (255, 0, 255)
_MOST: Final = 0.9  # of a crop's pixels


class FatalModels:
    """Runs models, and reads from address 0 when a crop is of the fatal colour."""

    def __init__(self, models: ModelExecution) -> None:
        self._models = models

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run one batch, or die."""
        crops = tensors.get("crops")
        if crops is not None and np.all(crops == FATAL, axis=-1).mean(axis=(1, 2)).max() > _MOST:
            ctypes.string_at(0)
        return self._models.run(name, tensors)

    def identity(self, name: str) -> str:
        """Return that of the real model."""
        return self._models.identity(name)


def main() -> None:
    """Run until told to stop, or until a picture is fatal."""
    settings = EncodingSettings.load()
    start_logging("encoding", settings)
    with open_backbone(settings) as backbone:
        resources = backbone.resources
        models, senses = open_models(settings, resources.metrics.models)
        version = metadata.version("fovea")
        encoding = assemble(settings, backbone.store, FatalModels(models), senses, version=version)
        run(Process([encoding], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
