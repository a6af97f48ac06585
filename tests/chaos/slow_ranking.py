"""Ranking that takes its time over each image, as a large model would; the service is the real one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any, Final

from services.ranking.assembly import assemble
from services.ranking.settings import RankingSettings
from services.runtime.assembly import Assembly
from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process

DELAY: Final = "SLOW_RANKING_S"
"""The variable with the seconds that each image takes."""


def slowed(inner: Callable[..., Any], delay_s: float) -> Callable[..., Any]:
    """Return the same, later."""

    def later(*arguments: Any) -> Any:
        time.sleep(delay_s)
        return inner(*arguments)

    return later


def slow(ranking: Assembly) -> Assembly:
    """Return the service with both its doors slowed down."""
    delay_s = float(os.environ[DELAY])
    servicers: Sequence[Any] = ranking.servicers
    for servicer in servicers:
        servicer.implementation.Rank = slowed(servicer.implementation.Rank, delay_s)
    subscriptions = tuple(replace(one, handler=slowed(one.handler, delay_s)) for one in ranking.subscriptions)
    return replace(ranking, subscriptions=subscriptions)


def main() -> None:
    """Run until told to stop."""
    settings = RankingSettings.load()
    start_logging("ranking", settings)
    with open_backbone(settings) as backbone:
        resources = backbone.resources
        version = metadata.version("fovea")
        ranking = assemble(settings, backbone.store, None, metrics=resources.metrics, version=version)
        run(Process([slow(ranking)], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
