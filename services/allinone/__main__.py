"""All services as one process: `python -m services.allinone`, or `fovea serve`.

The gateway answers on TCP; it reaches the other services over a Unix socket, by the same calls as it would
reach them on other machines. Events travel through the embedded log.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Final

from services.encoding.assembly import assemble as assemble_encoding
from services.encoding.assembly import open_models
from services.encoding.settings import EncodingSettings
from services.gateway.assembly import Channels
from services.gateway.assembly import assemble as assemble_gateway
from services.gateway.settings import GatewaySettings
from services.ranking.assembly import assemble as assemble_ranking
from services.ranking.assembly import open_remote_ranker, ranker_over
from services.ranking.assembly import open_ways as open_ranking
from services.ranking.assembly import wanted_by as wanted_by_ranking
from services.ranking.settings import RankingSettings
from services.retrieval.assembly import Storage
from services.retrieval.assembly import assemble as assemble_retrieval
from services.retrieval.settings import RetrievalSettings
from services.runtime.backbone import open_backbone
from services.runtime.grpc_channel import open_channel
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process
from services.segmentation.assembly import Finder, FindingCounters, open_ways, wanted_by
from services.segmentation.assembly import assemble as assemble_segmentation
from services.segmentation.settings import SegmentationSettings

NAME: Final = "allinone"
_INTERNAL: Final = (
    "fovea.segmentation.v1.SegmentationService",
    "fovea.encoding.v1.EncodingService",
    "fovea.retrieval.v1.RetrievalService",
    "fovea.ranking.v1.RankingService",
)


def main() -> None:
    """Run until told to stop. The process is told what the gateway is; targets are not read."""
    settings = GatewaySettings.load()
    start_logging(NAME, settings)
    version = metadata.version("fovea")
    with ExitStack() as stack:
        backbone = stack.enter_context(open_backbone(settings, keeps_data=True))
        resources = backbone.resources
        metrics = resources.metrics
        encoding, segmentation = EncodingSettings.load(), SegmentationSettings.load()
        ranking = RankingSettings.load()
        ways, ordering = open_ways(segmentation), open_ranking(ranking)
        also = wanted_by(ways) | wanted_by_ranking(ordering)
        models, senses = open_models(encoding, metrics.models, also=also)
        internal = (
            assemble_segmentation(
                segmentation,
                backbone.store,
                None if ways is None else Finder(models, ways),
                version=version,
                metrics=FindingCounters(metrics.caches, metrics.finding),
            ),
            assemble_encoding(
                encoding, backbone.store, models, senses, version=version, metrics=metrics.caches
            ),
            assemble_retrieval(
                RetrievalSettings.load(),
                backbone.log,
                Storage(backbone.data_folder / "memory", backbone.shared_store, kept=backbone.store),
                claims=backbone.claims,
                metrics=metrics,
                version=version,
            ),
            assemble_ranking(
                ranking,
                backbone.store,
                open_remote_ranker(ranking) or ranker_over(ranking, models, ordering, metrics.caches),
                metrics=metrics,
                version=version,
            ),
        )
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fovea-"))
        inner = settings.model_copy(update={"socket_path": Path(folder) / "inner.sock"})
        channel = stack.enter_context(
            open_channel(
                f"unix:{inner.socket_path}", idempotent=_INTERNAL, message_bytes=settings.message_bytes
            )
        )
        gateway = assemble_gateway(
            settings,
            backbone.log,
            backbone.store,
            Channels(channel, channel, channel, channel),
            metrics=metrics,
        )
        run(Process([gateway], inner, internal=internal, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
