"""A large event travels through the object store, and nobody who handles it notices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fovea.encoding.v1.events_pb2 import ExemplarEncoded, RegionsEncoded
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope
from fovea.kernel.v1.exemplar_pb2 import EncodedExemplar, Exemplar
from fovea.retrieval.v1.events_pb2 import CandidatesRetrieved
from services.kernel.errors import Corrupt, NotFound, Unsupported
from services.kernel.limits import LIMITS
from services.runtime.claim_check import NoClaims, StoredClaims
from services.runtime.dead_letters import DeadLetter
from services.runtime.event_log.ports import NewRecord, Position, Record
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.event_loop import Platform, Subscription
from services.runtime.event_loop.worker import Worker
from services.runtime.events import EventWriter, Tombstone
from services.runtime.object_store.folder import FolderStore
from services.runtime.payload_sweep import SweepPayloads
from services.runtime.publisher import Publisher
from services.runtime.topics import DAY_S, TOPICS

KEY = CollectionKey(tenant="acme", collection="birds")
LARGE = b"x" * (LIMITS.event_bytes + 1)


def encoded(recognition: str, *, regions: int) -> RegionsEncoded:
    """An image with embeddings in two spaces for each region."""
    event = RegionsEncoded(envelope=Envelope(collection=KEY, recognition_id=recognition, submission_id="s"))
    for number in range(regions):
        region = event.embeddings.add()
        for space, dimensions in (("visual", 1280), ("name", 384)):
            vector = bytes([number % 256]) * (4 * dimensions)
            region.embeddings.add(space=space, vector=vector)
    return event


def exemplar(name: str, *, size: int = LIMITS.event_bytes) -> ExemplarEncoded:
    taught = Exemplar(exemplar_id=name, label="x" * size)
    return ExemplarEncoded(collection=KEY, exemplar=EncodedExemplar(exemplar=taught))


class Bench:
    """A log, a store, and a worker over `regions.encoded`."""

    def __init__(self, log: SqliteLog, store: FolderStore, folder: Path) -> None:
        self.log, self.store, self.folder = log, store, folder
        self.claims = StoredClaims(store)
        self.seen: list[RegionsEncoded] = []
        self.letters: list[DeadLetter] = []
        self.now_s = 0.0

    def publish(self, *outputs: RegionsEncoded | ExemplarEncoded | Tombstone) -> None:
        writer = EventWriter(TOPICS, producer="test/1", claims=self.claims)
        Publisher(self.log, writer).publish(*outputs)

    def records(self, topic: str) -> list[Record]:
        with self.log.tail([topic], start="beginning") as tail:
            return list(tail.poll(0.0, most=100))

    def objects(self) -> list[str]:
        return [entry.key for entry in self.store.list("acme/")]

    def handle(self, topic: str = "regions.encoded") -> None:
        handler = self.letters.append if topic.endswith(".dead") else self._retrieve
        platform = Platform(self.log, TOPICS, "retrieval", "1", claims=self.claims, idle_s=0.0)
        with self.log.consumer("retrieval", [topic]) as consumer:
            Worker(Subscription(topic, "retrieval", handler), platform, consumer).step()

    def _retrieve(self, event: RegionsEncoded) -> CandidatesRetrieved:
        self.seen.append(event)
        return CandidatesRetrieved(envelope=event.envelope)

    def sweep(self) -> int:
        sweep = SweepPayloads(
            self.log, self.store, TOPICS, tenants=lambda: ["acme", "acme"], clock=lambda: self.now_s
        )
        return sweep()

    def wait_days(self, days: float) -> None:
        (newest,) = {max(entry.modified_s for entry in self.store.list("acme/"))}
        self.now_s = newest + days * DAY_S


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    yield Bench(log, FolderStore(tmp_path / "store"), tmp_path / "store")
    log.close()


def test_256_regions_in_two_spaces_arrive_as_they_were_sent(bench: Bench) -> None:
    event = encoded("r1", regions=LIMITS.regions_per_image)
    bench.publish(event)

    bench.handle()

    assert bench.seen == [event]
    (record,) = bench.records("regions.encoded")
    value = event.SerializeToString(deterministic=True)
    digest = hashlib.sha256(value).hexdigest()
    assert record.value == b""
    assert record.headers["payload-key"] == f"acme/payloads/regions.encoded/{digest}"
    assert record.headers["payload-bytes"] == str(len(value))
    (output,) = bench.records("candidates.retrieved")
    assert "payload-key" not in output.headers


def test_a_small_event_travels_in_the_log_alone(bench: Bench) -> None:
    event = encoded("r1", regions=1)
    bench.publish(event)

    (record,) = bench.records("regions.encoded")
    assert record.value == event.SerializeToString(deterministic=True)
    assert "payload-key" not in record.headers
    assert bench.objects() == []
    assert bench.claims.redeem(record) is record


def test_the_limit_itself_still_travels_in_the_log(bench: Bench) -> None:
    at_limit = NewRecord("regions.encoded", "acme/birds/r1", LARGE[:-1])

    assert bench.claims.deposit(at_limit) is at_limit
    assert bench.claims.deposit(NewRecord("regions.encoded", "acme/birds/r1", LARGE)).value == b""


def test_wrong_bytes_are_a_dead_letter_for_data_loss(bench: Bench) -> None:
    bench.publish(encoded("r1", regions=256))
    (key,) = bench.objects()
    bench.store.put(key, b"something else")

    bench.handle()

    (record,) = bench.records("regions.encoded.dead")
    cause = DeadLetter.of_record(record).cause
    assert (cause.error_class, cause.reason) == ("Corrupt", "DATA_LOSS")
    assert record.headers["payload-key"] == key
    assert bench.seen == []


def test_a_missing_payload_is_a_dead_letter_that_still_says_whose_it_is(bench: Bench) -> None:
    bench.publish(encoded("r1", regions=256))
    (key,) = bench.objects()
    bench.store.delete(key)

    bench.handle()
    bench.handle("regions.encoded.dead")

    (letter,) = bench.letters
    assert (letter.cause.error_class, letter.cause.reason) == ("NotFound", "PAYLOAD_MISSING")
    assert letter.value is None
    assert (letter.headers["recognition-id"], letter.headers["submission-id"]) == ("r1", "s")


def test_a_claim_that_names_no_object_is_damaged(bench: Bench) -> None:
    record = Record(Position("regions.encoded", 0, 0), "k", b"", {"payload-key": "../../etc/passwd"}, 0.0)

    with pytest.raises(Corrupt):
        bench.claims.redeem(record)


def test_a_dead_letter_comes_with_its_payload(bench: Bench) -> None:
    event = encoded("r1", regions=256)
    bench.publish(event)
    (record,) = bench.records("regions.encoded")
    bench.log.publish([NewRecord("regions.encoded.dead", record.key, b"", _dead(record))])

    bench.handle("regions.encoded.dead")

    (letter,) = bench.letters
    assert RegionsEncoded.FromString(letter.value or b"") == event


def _dead(record: Record) -> dict[str, str]:
    cause = dict.fromkeys(("error-class", "reason", "message", "field", "service", "version"), "x")
    times = dict.fromkeys(("first-seen", "last-seen"), "2026-01-01T00:00:00+00:00")
    origin = {"topic": "regions.encoded", "partition": "0", "offset": "0", "key": record.key, "attempts": "1"}
    why = {f"dead-{name}": text for name, text in {**cause, **times, **origin}.items()}
    return {**record.headers, **why}


def test_a_process_without_a_store_says_so() -> None:
    new = NewRecord("regions.encoded", "acme/birds/r1", LARGE)
    claim = Record(Position("regions.encoded", 0, 0), "k", b"", {"payload-key": "acme/x"}, 0.0)

    assert NoClaims().deposit(new) is new
    with pytest.raises(Unsupported, match="FOVEA_S3_ENDPOINT"):
        NoClaims().redeem(claim)


def test_payloads_of_a_flow_go_when_no_event_and_no_dead_letter_can_need_them(bench: Bench) -> None:
    bench.publish(encoded("r1", regions=256))

    bench.wait_days(37)  # 7 of the topic and 30 of its dead letters
    assert bench.sweep() == 0
    bench.wait_days(38.1)
    assert bench.sweep() == 1
    assert bench.objects() == []


def test_an_event_that_comes_again_renews_its_payload(bench: Bench) -> None:
    bench.publish(encoded("r1", regions=256))
    (first,) = bench.store.list("acme/")
    bench.publish(encoded("r1", regions=256))

    (second,) = bench.store.list("acme/")
    assert second.key == first.key
    assert second.modified_s > first.modified_s


def test_the_memory_keeps_what_a_record_names_and_lets_go_what_none_does(bench: Bench) -> None:
    bench.publish(exemplar("kept"))
    (kept,) = bench.objects()
    gone = bench.claims.deposit(NewRecord("exemplars.encoded", "acme/birds/gone", LARGE))
    assert gone.headers["payload-key"] in bench.objects()

    bench.wait_days(0.5)
    assert bench.sweep() == 0
    bench.wait_days(10_000)
    assert bench.sweep() == 1
    assert bench.objects() == [kept]
    (record,) = bench.records("exemplars.encoded")
    assert ExemplarEncoded.FromString(bench.claims.redeem(record).value or b"") == exemplar("kept")


def test_what_is_lost_says_that_it_is_the_payload(bench: Bench) -> None:
    record = Record(Position("regions.encoded", 0, 0), "k", b"", {"payload-key": "acme/payloads/t/00"}, 0.0)

    with pytest.raises(NotFound) as caught:
        bench.claims.redeem(record)
    assert caught.value.reason == "PAYLOAD_MISSING"
