"""Segmentation as a process of its own: `python -m services.segmentation`."""

from __future__ import annotations

import sys
from importlib import metadata

from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process
from services.segmentation.assembly import FindingCounters, assemble, open_finder
from services.segmentation.settings import SegmentationSettings


def main() -> None:
    """Run until told to stop. It reads images from `object_folder`, which it may share with a gateway."""
    settings = SegmentationSettings.load()
    start_logging("segmentation", settings)
    with open_backbone(settings) as backbone:
        resources = backbone.resources
        finder = open_finder(settings, resources.metrics.models)
        version = metadata.version("fovea")
        counters = FindingCounters(resources.metrics.caches, resources.metrics.finding)
        segmentation = assemble(settings, backbone.store, finder, version=version, metrics=counters)
        run(Process([segmentation], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
