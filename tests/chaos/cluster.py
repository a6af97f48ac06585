"""Three brokers to do harm to: any may be killed, paused and started again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from infra.local import daemons
from infra.local.kafka import KafkaServer, wait_ready
from infra.local.server import Running, running
from services.runtime.event_log.kafka.connecting import connect

T = TypeVar("T")
BROKERS: Final = 3
_PATIENCE_S: Final = 120.0


class Cluster:
    """A cluster in which every record has three copies, two of which must exist before it is acknowledged.

    Brokers are numbered from 0; Kafka itself calls the first one 1.
    """

    def __init__(self, started: Running) -> None:
        self._daemons = list(started.daemons)
        self.servers = started.settings["FOVEA_KAFKA_SERVERS"]

    def kill(self, broker: int) -> None:
        """End one as a power cut would."""
        self._daemons[broker].kill()

    def kill_all(self) -> None:
        """End all, before any notices that another has gone."""
        for daemon in self._daemons:
            daemon.send(signal.SIGKILL)
        for daemon in self._daemons:
            daemon.kill()

    def stop(self, broker: int) -> None:
        """Ask one to end, and wait until it has handed over what it leads."""
        self._daemons[broker].stop()

    def start(self, broker: int) -> None:
        """Start one again, on the ports and data that it had, without waiting."""
        self._daemons[broker] = daemons.start(self._daemons[broker].program)

    @contextmanager
    def paused(self, broker: int) -> Iterator[None]:
        """Let one stand still: its connections stay open, and nobody answers."""
        self._daemons[broker].pause()
        try:
            yield
        finally:
            self._daemons[broker].send(signal.SIGCONT)

    def wait_serving(self) -> None:
        """Wait until all brokers serve clients."""
        for daemon, server in zip(self._daemons, self.servers.split(","), strict=True):
            wait_ready(daemon, server, brokers=BROKERS)

    def wait_whole(self) -> None:
        """Wait until all brokers serve clients and every copy of every partition is complete."""
        self.wait_serving()
        daemons.wait_until(self._in_sync, "copies are missing", patience_s=_PATIENCE_S)

    def controller(self) -> int:
        """Return who directs the others."""
        quorum = self._ask(lambda admin: admin.describe_metadata_quorum())
        return int(quorum["topics"][0]["partitions"][0]["leader_id"]) - 1

    def leader(self, topic: str, partition: int) -> int:
        """Return who leads a partition."""
        (found,) = self._ask(lambda admin: admin.describe_topics([topic]))
        leaders = {one["partition_index"]: one["leader_id"] for one in found["partitions"]}
        return int(leaders[partition]) - 1

    def end(self) -> None:
        """End all, those that were started again as well."""
        for daemon in self._daemons:
            daemon.ask_to_stop()
        for daemon in self._daemons:
            daemon.stop()

    def _in_sync(self) -> bool:
        try:
            topics = self._ask(lambda admin: admin.describe_topics(admin.list_topics()))
        except KafkaError:
            return False
        return all(
            len(one["isr_nodes"]) == len(one["replica_nodes"])
            for topic in topics
            for one in topic["partitions"]
        )

    def _ask(self, question: Callable[[Any], T]) -> T:
        config = {"bootstrap_servers": self.servers.split(","), "bootstrap_timeout_ms": 5_000}
        with closing(connect(KafkaAdminClient, config)) as admin:
            return question(admin)


@contextmanager
def started_cluster(folder: Path) -> Iterator[Cluster]:
    """Start three brokers, and end them whatever became of them."""
    with running(KafkaServer(brokers=BROKERS, heap_mb=320), folder) as found:
        cluster = Cluster(found)
        try:
            yield cluster
        finally:
            cluster.end()
