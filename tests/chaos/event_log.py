"""The whole event log away or silent while both doors of a platform are in use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from infra.local.kafka import KafkaServer, answers
from infra.local.minio import MinioServer
from infra.local.server import running
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.outage import Fault, Scale, Scene, endure
from tests.chaos.platform import started
from tests.chaos.victim import Victim
from tests.e2e.calls import Calls


def run(folder: Path, size: Size) -> list[Figures]:
    """Start a platform, take its Kafka away, and let it stand still."""
    with ExitStack() as stack:
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        minio = stack.enter_context(running(MinioServer(), folder / "minio"))
        servers = kafka.settings["FOVEA_KAFKA_SERVERS"]
        server = Victim(kafka, lambda: answers(servers))
        stack.callback(server.stop)
        settings = {**kafka.settings, **minio.settings}
        platform = stack.enter_context(started(folder / "platform", settings))
        calls = stack.enter_context(Calls(platform.target, collection="log"))
        scene = Scene(platform.programs, calls, Scale.of(size))
        faults = {
            "killed": Fault("Kafka, all of it, killed and started again", server.killed, _seen(scene)),
            "paused": Fault("Kafka, all of it, stands still", server.paused, _seen(scene)),
        }
        return [endure(scene, name, fault, kafka.settings) for name, fault in faults.items()]


def _seen(scene: Scene) -> Callable[[], bool]:
    """Return whether every process says that the log does not answer."""
    return lambda: scene.metric("fovea_event_log_up") == 0


EVENT_LOG: Final = Experiment(
    "event_log",
    "Without the event log nothing new is accepted and nothing accepted is lost; callers hear so in time, "
    "and work goes on by itself when the log is back.",
    run,
)
