"""Segmentation as a process of its own: `python -m services.segmentation`."""

from __future__ import annotations

import sys
from importlib import metadata

from services.runtime.backbone import open_shared_log
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process
from services.segmentation.assembly import assemble
from services.segmentation.settings import SegmentationSettings


def main() -> None:
    """Run until told to stop. It keeps no data, and without a shared event log only gRPC reaches it."""
    settings = SegmentationSettings.load()
    start_logging("segmentation", settings)
    with open_shared_log(settings) as shared:
        segmentation = assemble(version=metadata.version("fovea"))
        run(
            Process([segmentation], settings, resources=shared.resources),
            settings,
        )


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
