"""Brokers killed, paused, restarted; members of a group that come and go: no record is lost or overtaken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from services.runtime.event_log.kafka import KafkaLog, KafkaOptions
from services.runtime.event_log.reading import read_to_end
from services.runtime.events import identify
from tests.chaos.cluster import BROKERS, Cluster, started_cluster
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.publishing import Account, Publishing, account, until
from tests.chaos.relay import Numbered, Relays, table

MEMBERS: Final = 3
THREADS: Final = 24
# Less than what all threads have on their way at once, so that the limit is met.
OPTIONS: Final = KafkaOptions(in_flight_bytes=512 * 1024)
MOST_GROWTH_BYTES: Final = 64 * 2**20
PATIENCE_S: Final = 120.0
PAUSE_S: Final = {Size.SHORT: 5.0, Size.LONG: 20.0}


@dataclass
class Scene:
    """What a fault meets, and how long it took until work went on."""

    cluster: Cluster
    topic: str
    writing: Publishing
    relays: Relays
    publishing_s: list[float] = field(default_factory=list)
    handling_s: list[float] = field(default_factory=list)

    def recover(self, since_s: float) -> None:
        """Wait until every thread has published, and what it published was handled; note how long it took."""
        until(lambda: self.writing.first_after(since_s) is not None, "not all publish", patience_s=PATIENCE_S)
        awaited = self.writing.first_after(since_s) or {}
        until(lambda: awaited.keys() <= self._handled().keys(), "not all is handled", patience_s=PATIENCE_S)
        handled = self._handled()
        self.publishing_s.append(max(awaited.values()) - since_s)
        self.handling_s.append(max(handled[one] for one in awaited) - since_s)

    def _handled(self) -> dict[Numbered, float]:
        return {one: at_s for at_s, one in self.relays.handled()}


Blow = Callable[[Scene], float]
"""Does some harm; returns when the waiting for recovery begins, on the monotonic clock."""


def kill(chosen: Callable[[Scene], int]) -> Blow:
    """Return the kill of one broker, which is started again when the others have taken over."""

    def blow(scene: Scene) -> float:
        broker = chosen(scene)
        began_s = time.monotonic()
        scene.cluster.kill(broker)
        scene.recover(began_s)
        scene.cluster.start(broker)
        scene.cluster.wait_whole()
        return time.monotonic()

    return blow


def pause(chosen: Callable[[Scene], int], seconds: float) -> Blow:
    """Return a time in which one broker stands still, as it does when its disk or its host hangs."""

    def blow(scene: Scene) -> float:
        with scene.cluster.paused(chosen(scene)):
            time.sleep(seconds)  # this is the fault itself
        return time.monotonic()

    return blow


def restart_in_turn(scene: Scene) -> float:
    """Restart all brokers one after the other, as an upgrade does."""
    for broker in range(BROKERS):
        scene.cluster.stop(broker)
        scene.cluster.start(broker)
        scene.cluster.wait_whole()
    return time.monotonic()


def kill_all(scene: Scene) -> float:
    """Kill all brokers at once and start them again; the waiting begins when all serve clients."""
    scene.cluster.kill_all()
    for broker in range(BROKERS):
        scene.cluster.start(broker)
    scene.cluster.wait_serving()
    return time.monotonic()


def change_members(scene: Scene) -> float:
    """Let members come, go and die while the last change is still being worked off."""
    for change in (scene.relays.join, scene.relays.kill, scene.relays.join, scene.relays.leave):
        change()
        time.sleep(0.5)  # shorter than a rebalance takes: that is the storm
    scene.relays.wait_ready()
    return time.monotonic()


def leader(scene: Scene) -> int:
    """Return who leads the first partition and is not the controller, if there is such a one."""
    controller = scene.cluster.controller()
    leads = [scene.cluster.leader(scene.topic, partition) for partition in range(BROKERS)]
    return next((one for one in leads if one != controller), leads[0])


def controller(scene: Scene) -> int:
    """Return who directs the others."""
    return scene.cluster.controller()


@dataclass(frozen=True)
class Ordeal:
    """Faults of one kind.

    Args:
        name: Of its topics and folder.
        fault: For the reader.
        blows: One after the other; work goes on in between.
        each: How many faults one blow counts for.
    """

    name: str
    fault: str
    blows: Sequence[Blow]
    each: int = 1


def ordeals(size: Size) -> list[Ordeal]:
    """Return what is done."""
    seconds = PAUSE_S[size]
    killed = Ordeal("kill", "a broker of three killed, started again when the others work", [kill(leader)])
    paused = Ordeal(
        "pause",
        f"a broker of three stands still for {seconds:.0f} s",
        [pause(controller, seconds)],
    )
    if size is Size.SHORT:
        return [killed, paused]
    return [
        Ordeal("kill", killed.fault, [kill(leader), kill(controller), kill(leader)]),
        Ordeal("pause", paused.fault, [pause(leader, seconds), pause(controller, seconds)]),
        Ordeal("rolling", "all three restarted in turn", [restart_in_turn], each=BROKERS),
        Ordeal("outage", "all three killed at once and started again", [kill_all] * 2, each=BROKERS),
        Ordeal("storm", "members joining, killed and leaving, two a second", [change_members] * 8, each=4),
    ]


def run(folder: Path, size: Size) -> list[Figures]:
    """Put one cluster through all."""
    with started_cluster(folder / "kafka") as cluster:
        return [undergo(cluster, folder / ordeal.name, ordeal) for ordeal in ordeals(size)]


def undergo(cluster: Cluster, folder: Path, ordeal: Ordeal) -> Figures:
    """Publish and handle through some faults, and hold what is there against what was promised."""
    cluster.wait_whole()
    topics = table(ordeal.name)
    asked, done = (spec.name for spec in topics)
    relays = Relays(folder, ordeal.name, cluster.servers)
    with closing(KafkaLog(cluster.servers, topics.settings(), options=OPTIONS)) as log:
        writing = Publishing(log, topics, threads=THREADS)
        scene = Scene(cluster, asked, writing, relays)
        with _working(scene):
            for blow in ordeal.blows:
                scene.recover(blow(scene))
            writing.stop()
            with suppress(AssertionError):  # the account tells
                until(lambda: not _handled(scene).lost, "", patience_s=PATIENCE_S)
            while relays.members:
                relays.leave()  # with everything published
        read = [_handled(scene), _in_log(log, asked, writing.acked), _in_log(log, done, writing.acked)]
    assert writing.growth_bytes < MOST_GROWTH_BYTES, f"memory grew by {writing.growth_bytes:,} bytes"
    return _figures(ordeal, scene, read)


@contextmanager
def _working(scene: Scene) -> Iterator[None]:
    """Start members and threads, and begin when all work."""
    try:
        for _ in range(MEMBERS):
            scene.relays.join()
        scene.relays.wait_ready()
        scene.writing.start()
        scene.recover(time.monotonic())
        scene.publishing_s.clear()
        scene.handling_s.clear()
        yield
    finally:
        scene.writing.give_up()
        scene.relays.end()


def _handled(scene: Scene) -> Account:
    return account((("", one) for _, one in scene.relays.handled()), scene.writing.acked)


def _in_log(log: KafkaLog, topic: str, acked: dict[str, int]) -> Account:
    def found() -> Iterator[tuple[str, Numbered]]:
        for record in read_to_end(log, [topic]):
            message = StringValue if topic.startswith("asked") else BytesValue
            value = message.FromString(record.value or b"").value
            text = value if isinstance(value, str) else value.decode()
            yield identify(record.headers, *record.position), Numbered.of(text)

    return account(found(), acked)


def _figures(ordeal: Ordeal, scene: Scene, read: Sequence[Account]) -> Figures:
    handled, _, done = read
    writing = scene.writing
    note = (
        f"{ordeal.fault.capitalize()}: publishing went on after {max(scene.publishing_s):.1f} s at most, "
        f"handling after {max(scene.handling_s):.1f} s; the longest wait of {THREADS} threads for an "
        f"acknowledgement was {writing.longest_wait_s:.1f} s; {writing.refused} calls were refused and made "
        f"again; {handled.repeated} events were handled and {done.repeated} results published repeatedly, "
        f"under the same id; memory grew by {writing.growth_bytes / 1e6:.0f} MB."
    )
    return Figures(
        fault=ordeal.fault,
        injected=len(ordeal.blows) * ordeal.each,
        handed_in=sum(writing.acked.values()),
        lost=max(one.lost for one in read),
        doubled=max(one.doubled for one in read),
        wrong=max(one.wrong for one in read),
        recovery_s=max(*scene.publishing_s, *scene.handling_s),
        note=note,
    )


LOST_BROKERS: Final = Experiment(
    "brokers",
    "Every record that was acknowledged is handled, under one id and in the order of its key, "
    "whatever happens to brokers and to members of the group.",
    run,
)
