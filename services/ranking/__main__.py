"""Ranking as a process of its own: `python -m services.ranking`."""

from __future__ import annotations

import sys
from importlib import metadata

from services.ranking.assembly import assemble, open_ranker
from services.ranking.settings import RankingSettings
from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process


def main() -> None:
    """Run until told to stop. It reads images from `object_folder`, which it may share with a gateway."""
    settings = RankingSettings.load()
    start_logging("ranking", settings)
    with open_backbone(settings) as backbone:
        resources = backbone.resources
        ranker = open_ranker(settings, resources.metrics.models)
        version = metadata.version("fovea")
        ranking = assemble(settings, backbone.store, ranker, metrics=resources.metrics, version=version)
        run(Process([ranking], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
