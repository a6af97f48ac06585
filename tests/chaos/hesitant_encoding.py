"""Encoding that waits, if asked to, when it knows whose the exemplars are and has not published them.

The service is the real one; only its event log waits a little before it writes to the memory.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Final

from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.backbone import open_backbone
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import NewRecord, Position
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process
from services.runtime.topics import TOPICS

MOMENT: Final = "CHAOS_MOMENT"
"""Names a file: once it is there, the next publishing takes it away and waits until a test has stopped it."""
_WAIT_S: Final = 2.0


class HesitantLog(KafkaLog):
    """Waits before it writes exemplars, if a file says so."""

    def publish(self, records: Sequence[NewRecord]) -> Sequence[Position]:
        """Publish, now or in a moment."""
        moment = Path(os.environ[MOMENT])
        if any(record.topic == "exemplars.encoded" for record in records) and moment.exists():
            moment.unlink(missing_ok=True)
            time.sleep(_WAIT_S)
        return super().publish(records)


def main() -> None:
    """Run until told to stop."""
    settings = EncodingSettings.load()
    start_logging("encoding", settings)
    with (
        open_backbone(settings) as backbone,
        closing(HesitantLog(settings.kafka_servers, TOPICS.settings())) as log,
    ):
        resources = replace(backbone.resources, log=log)
        models, senses = open_models(settings, resources.metrics.models)
        encoding = assemble(settings, backbone.store, models, senses, version=metadata.version("fovea"))
        run(Process([encoding], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
