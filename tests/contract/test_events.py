"""Events of one release read by another: the one before, the next, and whatever else is in the log.

`released/VERSION` has an event of each topic as that release wrote it; a test that fails on one of them has
found a change that would make stored events unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from services.encoding import codec as encoding
from services.encoding.usecases import EncodedRegions
from services.gateway.codec import collections as gateway_collections
from services.gateway.codec import events as gateway
from services.kernel.errors import FoveaError
from services.kernel.vocabulary import Stage
from services.ranking import codec as ranking
from services.ranking.usecases import Ranked
from services.retrieval import codec as retrieval
from services.retrieval.usecases import Recalled
from services.runtime.codec.recognition import read_ranking
from services.runtime.event_log.ports import Position, Record
from services.runtime.topics import TOPICS
from services.segmentation import codec as segmentation
from services.segmentation.usecases import Proposal
from tests.fakes.events import filled

RELEASED: Final = sorted((Path(__file__).parent / "released").glob("*/*.binpb"))
LAST_SCHEMA: Final = Path(__file__).parents[2] / "protos" / "released.binpb"
ADDED: Final = "added_by_the_next_release"
UNKNOWN: Final = 99
READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "images.submitted": segmentation.read_event,
    "regions.proposed": encoding.read_regions_event,
    "regions.encoded": retrieval.read_event,
    "candidates.retrieved": ranking.read_event,
    "recognitions.completed": gateway.read_completed,
    "exemplars.submitted": encoding.read_exemplar_event,
    "exemplars.encoded": retrieval.read_encoded,
    "collections.changed": gateway_collections.read_changed,
}
STAGE: Final = Stage("this", "0.1.0")
PASSED_ON: Final[Mapping[str, Callable[[Any], Message]]] = {
    "images.submitted": lambda event: segmentation.write_event(event, Proposal((), STAGE)),
    "regions.proposed": lambda event: encoding.write_regions_event(event, EncodedRegions((), STAGE)),
    "regions.encoded": lambda event: retrieval.write_event(event, Recalled((), STAGE)),
    "candidates.retrieved": lambda event: ranking.write_event(
        event, Ranked(tuple(read_ranking(_ranking()) for _ in event.regions), STAGE), ended_at_s=1.0
    ),
}


def _ranking() -> Any:
    return filled("recognitions.completed").recognition.regions[0].ranking  # type: ignore[attr-defined]  # it has


def read(topic: str, value: bytes) -> Any:
    """Return the event as a handler gets it."""
    return TOPICS[topic].decode(Record(Position(topic, 0, 0), "acme/birds/r1", value, {}, 0.0))


class Schema:
    """The messages of one set of descriptors, apart from those that this release has generated."""

    def __init__(self, files: Sequence[descriptor_pb2.FileDescriptorProto]) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in files:
            self._pool.Add(file)

    def message(self, topic: str) -> Any:
        """Return a new event of a topic, in this schema."""
        name = TOPICS[topic].message.DESCRIPTOR.full_name
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))()


def _files() -> list[descriptor_pb2.FileDescriptorProto]:
    """Return the files of this release, each behind those that it imports."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def visit(file: Any) -> None:
        for each in file.dependencies:
            visit(each)
        if file.name not in found:
            found[file.name] = descriptor_pb2.FileDescriptorProto()
            file.CopyToProto(found[file.name])

    for spec in TOPICS:
        visit(spec.message.DESCRIPTOR.file)
    return list(found.values())


def _next_schema() -> Schema:
    """Return a schema with one more field in every message, and one more value in every enum."""
    files = _files()
    for file in files:
        if not file.package.startswith("fovea."):
            continue
        for message in file.message_type:
            number = max((field.number for field in message.field), default=0) + 1
            kind = descriptor_pb2.FieldDescriptorProto
            message.field.add(name=ADDED, number=number, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
        for enum in file.enum_type:
            enum.value.add(name=f"{enum.name.upper()}_OF_THE_NEXT_RELEASE", number=UNKNOWN)
    return Schema(files)


NEXT: Final = _next_schema()
LAST: Final = Schema(list(descriptor_pb2.FileDescriptorSet.FromString(LAST_SCHEMA.read_bytes()).file))


def parts(message: Any) -> Iterator[Any]:
    """Yield a message of ours and all that are in it, entries of maps left out."""
    if not message.DESCRIPTOR.full_name.startswith("fovea."):
        return
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            yield from parts(each)


def newer(topic: str) -> Any:
    """Return an event of the next release, which uses all that it has added but new values of enums."""
    event = NEXT.message(topic)
    event.MergeFromString(filled(topic).SerializeToString())
    for part in list(parts(event)):
        setattr(part, ADDED, "news")
    return event


@pytest.mark.parametrize("file", RELEASED, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_events_of_every_release_are_read_as_what_they_are(file: Path) -> None:
    topic = file.stem
    event = read(topic, file.read_bytes())

    assert MessageToDict(event) == MessageToDict(filled(topic))
    READERS.get(topic, str)(event)


@pytest.mark.parametrize("topic", [spec.name for spec in TOPICS])
def test_an_event_of_the_last_release_says_the_same_here(topic: str) -> None:
    event = LAST.message(topic)
    event.ParseFromString(filled(topic).SerializeToString())

    assert MessageToDict(read(topic, event.SerializeToString())) == MessageToDict(event)


@pytest.mark.parametrize("topic", READERS)
def test_an_event_of_the_next_release_is_read(topic: str) -> None:
    event = read(topic, newer(topic).SerializeToString())

    assert repr(READERS[topic](event)) == repr(READERS[topic](filled(topic)))


@pytest.mark.parametrize("topic", PASSED_ON)
def test_what_the_next_release_has_added_is_passed_on(topic: str) -> None:
    event = read(topic, newer(topic).SerializeToString())
    written = PASSED_ON[topic](event)

    following = NEXT.message(TOPICS.of(written).name)
    following.ParseFromString(written.SerializeToString())
    record = following.recognition if topic == "candidates.retrieved" else following
    regions = [one.region for one in record.regions] if topic == "candidates.retrieved" else record.regions
    assert [stage.name for stage in record.envelope.stages][-1] == "this"
    expected = newer(topic).envelope
    record.envelope.stages.pop()
    assert record.envelope == expected
    assert list(regions) == list(getattr(newer(topic), "regions", ()))


@pytest.mark.parametrize("topic", PASSED_ON)
def test_a_region_of_an_origin_that_is_not_known_yet_keeps_it(topic: str) -> None:
    event = filled(topic)
    for region in getattr(event, "regions", ()):
        region.origin = UNKNOWN

    READERS[topic](event)
    written: Any = PASSED_ON[topic](event)

    if topic in ("regions.proposed", "regions.encoded"):
        assert [region.origin for region in written.regions] == [UNKNOWN]
    if topic == "candidates.retrieved":
        assert [one.region.origin for one in written.recognition.regions] == [UNKNOWN]


@pytest.mark.parametrize("topic", READERS)
def test_a_value_that_is_not_known_yet_breaks_no_reader(topic: str) -> None:
    event = filled(topic)
    for part in parts(event):
        for field in part.DESCRIPTOR.fields:
            if field.enum_type is not None:
                setattr(part, field.name, UNKNOWN)

    assert READERS[topic](read(topic, event.SerializeToString())) is not None


def _without_one_field(event: Any) -> Iterator[tuple[str, Any]]:
    """Yield the event once for each field that is set in it, without that field."""
    for index, part in enumerate(parts(event)):
        for field, _ in part.ListFields():
            copy = type(event)()
            copy.CopyFrom(event)
            list(parts(copy))[index].ClearField(field.name)
            yield f"{part.DESCRIPTOR.name}.{field.name}", copy


@pytest.mark.parametrize("topic", READERS)
def test_an_event_that_lacks_a_field_is_read_or_refused_by_name(topic: str) -> None:
    lacking = dict(_without_one_field(filled(topic)))

    assert lacking
    for event in lacking.values():
        with suppress(FoveaError):
            READERS[topic](read(topic, event.SerializeToString()))


@pytest.mark.parametrize("topic", READERS)
@given(noise=st.binary(max_size=300))
def test_noise_is_read_or_refused(topic: str, noise: bytes) -> None:
    with suppress(FoveaError):
        READERS[topic](read(topic, noise))


@pytest.mark.parametrize("topic", READERS)
@given(data=st.data())
def test_a_damaged_event_is_read_or_refused(topic: str, data: st.DataObject) -> None:
    value = bytearray(filled(topic).SerializeToString())
    for _ in range(data.draw(st.integers(1, 6))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(value)))

    for damaged in (bytes(value), bytes(value[:cut])):
        with suppress(FoveaError):
            READERS[topic](read(topic, damaged))


def test_every_topic_has_its_released_events() -> None:
    assert {file.stem for file in RELEASED} == {spec.name for spec in TOPICS}
