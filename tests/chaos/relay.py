"""A service that is nothing but the event loop: reads numbered events, notes each, passes it on.

`python -m tests.chaos.relay` is one member of its group; the environment says which. `Relays` starts members,
and ends them as one likes.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_loop import EventLoop, Platform, Subscription
from services.runtime.telemetry import configure
from services.runtime.topics import Subject, TopicSpec, TopicTable
from tests.e2e.processes import Program

PARTITIONS: Final = 6
_JOIN_S: Final = 30.0


@dataclass(frozen=True)
class Numbered:
    """The event number `number` of a key; keys count from 0."""

    key: str
    number: int

    @classmethod
    def of(cls, text: str) -> Numbered:
        """Read `key number padding`."""
        key, number = text.split(" ", 2)[:2]
        return cls(key, int(number))


def table(run: str) -> TopicTable:
    """Return the two topics of one run: what is asked, and what came of it."""
    layout = TopicSettings(PARTITIONS)
    return TopicTable(
        [
            TopicSpec(f"asked-{run}", StringValue, _asked, layout),
            TopicSpec(f"done-{run}", BytesValue, _done, layout),
        ]
    )


def _asked(message: StringValue) -> Subject:
    return Subject("chaos", "brokers", Numbered.of(message.value).key)


def _done(message: BytesValue) -> Subject:
    return Subject("chaos", "brokers", Numbered.of(message.value.decode()).key)


class Relay:
    """The handler."""

    def __init__(self, notes: Path) -> None:
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, asked: StringValue) -> BytesValue:
        """Note the event with the time, and say that it is done."""
        one = Numbered.of(asked.value)
        os.write(self._notes, f"{time.monotonic():.6f} {one.key} {one.number}\n".encode())
        return BytesValue(value=f"{one.key} {one.number}".encode())


def main() -> int:
    """Run one member until SIGTERM."""
    run, servers = os.environ["RELAY_RUN"], os.environ["RELAY_SERVERS"]
    notes, ready = Path(os.environ["RELAY_NOTES"]), Path(os.environ["FOVEA_READY_FILE"])
    configure("relay", "INFO")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    topics = table(run)
    with closing(KafkaLog(servers, topics.settings())) as log:
        subscription = Subscription(f"asked-{run}", "relay", Relay(notes))
        loop = EventLoop(subscription, Platform(log, topics, "relay", "0"))
        loop.start()
        ready.write_text(json.dumps({"port": 0}), encoding="utf-8")
        while not stop.wait(0.1):
            pass
        loop.stop()
        ended = loop.join(_JOIN_S)
    return 0 if ended else 1


class Relays:
    """The members of a run's group.

    Args:
        folder: Where they keep logs and notes.
        run: Whose topics they read.
        servers: Of Kafka.
    """

    def __init__(self, folder: Path, run: str, servers: str) -> None:
        self._folder = folder
        self._settings = {"RELAY_RUN": run, "RELAY_SERVERS": servers, "FOVEA_PORT": ""}
        self._started = 0
        self._handled: list[tuple[float, Numbered]] = []
        self._read: dict[Path, int] = {}
        self.members: list[Program] = []

    def join(self) -> None:
        """Start one more member, without waiting for it."""
        self._started += 1
        name = f"member-{self._started}"
        notes = {"RELAY_NOTES": str(self._folder / f"{name}.notes")}
        self.members.append(
            Program("tests.chaos.relay", self._folder / name, self._settings | notes),
        )

    def leave(self) -> None:
        """Ask the oldest member to go, and wait until it has."""
        code = self.members.pop(0).stop()
        assert code == 0, f"a member that was asked to leave ended with {code}"

    def kill(self) -> None:
        """End the oldest member as a power cut would."""
        self.members.pop(0).kill()

    def wait_ready(self) -> None:
        """Wait until all have started."""
        for member in self.members:
            member.wait_ready()

    def end(self) -> None:
        """End what is left, whatever it says."""
        for member in self.members:
            member.kill()

    def handled(self) -> list[tuple[float, Numbered]]:
        """Return when each event was handled, by whomever, in this order."""
        for file in self._folder.glob("*.notes"):
            with file.open("rb") as notes:
                notes.seek(self._read.get(file, 0))
                whole = notes.read().rpartition(b"\n")[0]
            self._read[file] = self._read.get(file, 0) + len(whole) + bool(whole)
            for line in whole.decode().splitlines():
                at_s, key, number = line.split()
                self._handled.append((float(at_s), Numbered(key, int(number))))
        return sorted(self._handled, key=itemgetter(0))


if __name__ == "__main__":
    sys.exit(main())
