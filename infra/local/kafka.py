"""Apache Kafka without containers: its jars from Maven, one KRaft node or a cluster of brokers."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from infra.local import daemons
from infra.local.daemons import Daemon, LocalError, Program
from infra.local.server import Running
from services.runtime.event_log.kafka.connecting import connect

VERSION: Final = "4.1.0"
_LOG4J: Final = "2.25.1"
_SCALA: Final = "2.13"

POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fovea</groupId><artifactId>local-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_{_SCALA}</artifactId>
      <version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId>
      <version>{_LOG4J}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J}</version></dependency>
  </dependencies>
</project>
"""

LOGGING: Final = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""

# Topics are created by who knows their settings, never by whoever mentions a name; a rebalance need not
# wait for members that a laptop does not have.
PROPERTIES: Final = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{doors}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{doors}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=1000
num.network.threads=2
num.io.threads=4
"""


@dataclass(frozen=True)
class Door:
    """One more way in, beside the one that asks nothing.

    Args:
        name: Such as GUARDED; the configuration calls it so.
        protocol: Kafka's word for how clients speak there, such as SASL_SSL.
        port: Of 127.0.0.1.
    """

    name: str
    protocol: str
    port: int


@dataclass(frozen=True)
class Extra:
    """What a broker has beyond the usual.

    Args:
        doors: More ways in; for a single broker, since their ports are given.
        properties: More lines of its configuration.
        formatted: More arguments of the tool that formats its data folder.
    """

    doors: Sequence[Door] = ()
    properties: str = ""
    formatted: Sequence[str] = ()


@dataclass(frozen=True)
class _Node:
    """One broker, which is a controller as well."""

    number: int
    port: int
    controller: int

    @property
    def name(self) -> str:
        """That of its folder."""
        return f"broker-{self.number}"


class KafkaServer:
    """One node, or a cluster in which every record has up to three copies.

    Args:
        brokers: How many; with three, one may fail.
        heap_mb: Memory of each for the JVM's heap.
        extra: What else they have.
    """

    name = "kafka"

    def __init__(self, *, brokers: int = 1, heap_mb: int = 512, extra: Extra | None = None) -> None:
        self._brokers = brokers
        self._heap_mb = heap_mb
        self._extra = extra or Extra()

    def install(self, cache: Path) -> None:
        """Fetch the jars with Maven, about 43 MB."""
        jars = _jars(cache)
        if jars.is_dir():
            return
        maven = _find("mvn", "Maven, such as Debian's maven")
        work = cache / f"kafka-{VERSION}.part-{uuid.uuid4().hex[:8]}"
        work.mkdir(parents=True)
        (work / "pom.xml").write_text(POM, encoding="utf-8")
        _run([maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={work}/libs"], work)
        jars.parent.mkdir(exist_ok=True)
        if not jars.is_dir():
            (work / "libs").rename(jars)  # as a whole, so that what is there is complete
        shutil.rmtree(work)

    def start(self, cache: Path, folder: Path) -> Running:
        """Format the data folders if they are new, start every broker, and wait until all serve clients."""
        folder = folder.absolute()
        ports = daemons.free_ports(2 * self._brokers)
        nodes = [_Node(n + 1, *ports[2 * n : 2 * n + 2]) for n in range(self._brokers)]
        for node in nodes:
            self._configure(cache, folder, node, nodes)
        started = [daemons.start(self._program(cache, folder / node.name)) for node in nodes]
        servers = [f"127.0.0.1:{node.port}" for node in nodes]
        running = Running(started, {"FOVEA_KAFKA_SERVERS": ",".join(servers)})
        try:
            for daemon, server in zip(started, servers, strict=True):
                wait_ready(daemon, server, brokers=self._brokers)
        except BaseException:
            running.stop()
            raise
        return running

    def _configure(self, cache: Path, folder: Path, node: _Node, nodes: Sequence[_Node]) -> None:
        place = folder / node.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
        properties = PROPERTIES.format(
            node=node.number,
            voters=",".join(f"{one.number}@127.0.0.1:{one.controller}" for one in nodes),
            port=node.port,
            controller=node.controller,
            data=place / "data",
            copies=min(3, self._brokers),
            in_sync=min(2, self._brokers),
            doors="".join(f",{door.name}://127.0.0.1:{door.port}" for door in self._extra.doors),
            protocols="".join(f",{door.name}:{door.protocol}" for door in self._extra.doors),
        )
        (place / "server.properties").write_text(properties + self._extra.properties, encoding="utf-8")
        if not (place / "data" / "meta.properties").exists():
            main = ("kafka.tools.StorageTool", "format", "-t", _cluster_id(folder))
            command = [*_java(cache, place, "-Xmx128m"), *main, "-c", "server.properties"]
            _run([*command, *self._extra.formatted], place)

    def _program(self, cache: Path, place: Path) -> Program:
        heap = f"-Xmx{self._heap_mb}m"
        command = [*_java(cache, place, heap, "-XX:+UseSerialGC"), "kafka.Kafka", "server.properties"]
        # The last broker of a cluster waits for the others to take over what it leads, in vain.
        return Program("kafka", command, place, stop_s=8.0)


def wait_ready(daemon: Daemon, server: str, *, brokers: int) -> None:
    """Wait until a broker serves clients and sees all others. Raises LocalError if it never does."""
    port = int(server.rpartition(":")[2])
    daemons.wait_ready(daemon, lambda: daemons.accepts(port) and _visible(server) >= brokers)


def answers(server: str) -> bool:
    """Return whether a broker serves clients."""
    return _visible(server) > 0


def _visible(server: str) -> int:
    """Return how many brokers one broker tells of; 0 while it cannot be asked."""
    try:
        client = connect(KafkaAdminClient, {"bootstrap_servers": server, "bootstrap_timeout_ms": 2000})
    except KafkaError:
        return 0
    try:
        return len(client.describe_cluster()["brokers"])
    except KafkaError:
        return 0
    finally:
        client.close()


def _cluster_id(folder: Path) -> str:
    """Return the id that all nodes are formatted with, the same however often this is called."""
    file = folder / "cluster-id"
    if not file.exists():
        number = b"\0" + uuid.uuid4().bytes[1:]  # so that it does not begin with a dash, as an option does
        file.write_text(base64.urlsafe_b64encode(number).decode().rstrip("="), encoding="utf-8")
    return file.read_text(encoding="utf-8")


def _jars(cache: Path) -> Path:
    return cache / f"kafka-{VERSION}"


def _java(cache: Path, place: Path, *options: str) -> list[str]:
    java = _find("java", "a Java 17 runtime, such as Debian's openjdk-17-jre-headless")
    logging = f"-Dlog4j2.configurationFile={place}/log4j2.properties"
    return [java, *options, "-cp", f"{_jars(cache)}/*", logging]


def _find(tool: str, package: str) -> str:
    path = shutil.which(tool)
    if path is None:
        raise LocalError(f"Apache Kafka needs {tool}, which is not on the PATH: install {package}")
    return path


def _run(command: Sequence[str], folder: Path) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise LocalError(f"{Path(command[0]).name} failed:\n{(ended.stdout + ended.stderr)[-3000:]}")
