"""Headers and ids of events, and the records of dead letters."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from fovea.gateway.v1.collections_pb2 import Collection
from fovea.gateway.v1.events_pb2 import CollectionChanged, ExemplarSubmitted, FeedbackGiven, ImageSubmitted
from fovea.kernel.v1.envelope_pb2 import CollectionKey, Envelope
from fovea.kernel.v1.exemplar_pb2 import EncodedExemplar, Exemplar
from fovea.kernel.v1.recognition_pb2 import Recognition
from fovea.ranking.v1.events_pb2 import RecognitionCompleted
from services.kernel.errors import InvalidInput, NotFound
from services.runtime.dead_letters import Cause, DeadLetter
from services.runtime.event_log.ports import Position, Record
from services.runtime.events import EventWriter, Output, Tombstone, event_id
from services.runtime.topics import TOPICS, Subject

KEY = CollectionKey(tenant="acme", collection="birds")
WRITER = EventWriter(TOPICS, producer="gateway/0.1.0")
IMAGE = ImageSubmitted(envelope=Envelope(collection=KEY, recognition_id="r1"))
TEACH = ExemplarSubmitted(collection=KEY, exemplar_id="x1")


@pytest.mark.parametrize(
    ("output", "topic", "key"),
    [
        (IMAGE, "images.submitted", "acme/birds/r1"),
        (
            RecognitionCompleted(recognition=Recognition(envelope=IMAGE.envelope)),
            "recognitions.completed",
            "acme/birds/r1",
        ),
        (TEACH, "exemplars.submitted", "acme/birds/x1"),
        (
            ExemplarEncoded(collection=KEY, exemplar=EncodedExemplar(exemplar=Exemplar(exemplar_id="x1"))),
            "exemplars.encoded",
            "acme/birds/x1",
        ),
        (CollectionChanged(collection=Collection(key=KEY)), "collections.changed", "acme/birds"),
        (FeedbackGiven(collection=KEY, recognition_id="r1"), "feedback.given", "acme/birds/r1"),
        (Tombstone("collections.changed", "acme/birds"), "collections.changed", "acme/birds"),
    ],
)
def test_the_table_gives_topic_and_key(output: Output, topic: str, key: str) -> None:
    record = WRITER.record(output)

    assert (record.topic, record.key) == (topic, key)
    assert (record.headers["tenant"], record.headers["collection"]) == ("acme", "birds")


def test_every_topic_reads_what_it_writes() -> None:
    for spec in TOPICS:
        message = spec.message()
        record = WRITER.record(message)
        assert record.topic == spec.name
        assert record.value is not None
        assert spec.decode(Record(Position(spec.name, 0, 0), "", record.value, {}, 0.0)) == message


def test_every_topic_has_one_for_its_dead_letters() -> None:
    settings = TOPICS.settings()

    assert {spec.dead for spec in TOPICS} | {spec.name for spec in TOPICS} == set(settings)
    assert not any(settings[spec.dead].compacted for spec in TOPICS)


def test_the_ids_of_a_recognition_s_events_follow_from_it() -> None:
    first, second = WRITER.record(IMAGE), WRITER.record(IMAGE)
    other_tenant = ImageSubmitted()
    other_tenant.CopyFrom(IMAGE)
    other_tenant.envelope.collection.tenant = "other"

    assert first.headers["event-id"] == second.headers["event-id"]
    assert first.headers["event-id"] == event_id("images.submitted", "acme", "r1")
    assert first.headers["event-id"] != WRITER.record(other_tenant).headers["event-id"]


def test_teaching_the_same_thing_twice_is_two_events() -> None:
    first, second = WRITER.record(TEACH), WRITER.record(TEACH)

    assert first.headers["event-id"] != second.headers["event-id"]


def test_an_event_made_from_another_has_an_id_that_follows_from_it() -> None:
    first, again = (WRITER.record(TEACH, cause_id="cause") for _ in range(2))
    other = WRITER.record(TEACH, cause_id="other cause")

    assert first.headers["event-id"] == again.headers["event-id"] != other.headers["event-id"]
    assert first.headers["cause-id"] == "cause"


def test_two_corrections_of_one_answer_are_two_events() -> None:
    feedback = FeedbackGiven(collection=KEY, recognition_id="r1")

    ids = {WRITER.record(feedback).headers["event-id"] for _ in range(2)}
    assert len(ids) == 2


def test_the_caller_may_choose_the_id() -> None:
    assert WRITER.record(TEACH, own_id="mine").headers["event-id"] == "mine"


def test_what_is_no_event_has_no_topic() -> None:
    with pytest.raises(NotFound):
        WRITER.record(KEY)
    with pytest.raises(NotFound):
        TOPICS["no.such"]


def test_only_compacted_topics_forget() -> None:
    with pytest.raises(InvalidInput):
        WRITER.record(Tombstone("images.submitted", "acme/birds/r1"))


def test_a_key_says_tenant_collection_and_name() -> None:
    assert Subject.of_key("acme/birds/x/1") == Subject("acme", "birds", "x/1")
    assert Subject.of_key("acme/birds") == Subject("acme", "birds")


SHORT = st.text(max_size=30)


@given(
    st.builds(
        DeadLetter,
        origin=st.builds(Position, SHORT, st.integers(0, 9), st.integers(0, 2**40)),
        key=SHORT,
        value=st.none() | st.binary(max_size=20),
        headers=st.dictionaries(st.sampled_from(["event-id", "tenant", "x"]), SHORT),
        cause=st.builds(
            Cause,
            error_class=SHORT,
            reason=SHORT,
            message=SHORT,
            field=SHORT,
            attempts=st.integers(0, 99),
            service=SHORT,
            version=SHORT,
            first_seen_s=st.integers(0, 2**32).map(float),
            last_seen_s=st.integers(0, 2**32).map(float),
        ),
    )
)
def test_a_dead_letter_comes_back_from_its_record(letter: DeadLetter) -> None:
    written = letter.to_record()

    read = Record(Position(written.topic, 0, 0), written.key, written.value, written.headers, 0.0)
    assert DeadLetter.of_record(read) == letter


def test_a_long_error_is_cut() -> None:
    cause = Cause("E", "R", "x" * 100_000, "", 1, "s", "v", 0.0, 0.0)
    record = DeadLetter(Position("t", 0, 0), "k", None, {}, cause).to_record()

    assert len(record.headers["dead-message"]) == 1_000


def test_another_record_is_no_dead_letter() -> None:
    with pytest.raises(InvalidInput):
        DeadLetter.of_record(Record(Position("t.dead", 0, 0), "k", b"", {}, 0.0))


@pytest.mark.parametrize("parts", [("images.submitted", "acme", "r1"), ("x", ""), ("été", "日本")])
def test_an_event_id_is_the_standards_own(parts: tuple[str, ...]) -> None:
    namespace = uuid.uuid5(uuid.NAMESPACE_DNS, "events.fovea")
    assert event_id(*parts) == str(uuid.uuid5(namespace, "\n".join(parts)))
