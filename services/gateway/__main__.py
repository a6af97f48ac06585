"""The gateway as a process of its own: `python -m services.gateway`. Submissions need a shared event log."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from services.gateway.assembly import NAME, Channels, assemble
from services.gateway.settings import GatewaySettings
from services.runtime.backbone import open_backbone
from services.runtime.grpc_channel import Channel, open_channel
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process


def main() -> None:
    """Settings, adapters, assembly, run."""
    settings = GatewaySettings.load()
    start_logging(NAME, settings)
    with ExitStack() as stack:
        backbone = stack.enter_context(open_backbone(settings))

        def channel(service: str, target: str) -> Channel:
            return stack.enter_context(
                open_channel(target, idempotent=[service], message_bytes=settings.message_bytes)
            )

        channels = Channels(
            segmentation=channel("fovea.segmentation.v1.SegmentationService", settings.segmentation_target),
            encoding=channel("fovea.encoding.v1.EncodingService", settings.encoding_target),
            retrieval=channel("fovea.retrieval.v1.RetrievalService", settings.retrieval_target),
            ranking=channel("fovea.ranking.v1.RankingService", settings.ranking_target),
        )
        assembly = assemble(
            settings,
            backbone.log,
            backbone.store,
            channels,
            streaming=backbone.shared,
            metrics=backbone.resources.metrics,
        )
        resources = backbone.resources
        run(Process([assembly], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
