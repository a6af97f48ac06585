"""Ranking as a process of its own: `python -m services.ranking`."""

from __future__ import annotations

import sys
from importlib import metadata

from services.ranking.assembly import assemble
from services.ranking.settings import RankingSettings
from services.runtime.backbone import open_shared_log
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process


def main() -> None:
    """Run until told to stop. It keeps no data, and without a shared event log only gRPC reaches it."""
    settings = RankingSettings.load()
    start_logging("ranking", settings)
    with open_shared_log(settings) as shared:
        resources = shared.resources
        ranking = assemble(metrics=resources.metrics, version=metadata.version("fovea"))
        run(Process([ranking], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
