from __future__ import annotations

import pytest

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.encoding.v1 import events_pb2 as events
from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.kernel.v1 import embedding_pb2, envelope_pb2, exemplar_pb2, region_pb2
from fovea.segmentation.v1 import events_pb2 as segmentation_events
from services.encoding.entrypoints.handlers import OnExemplarsSubmitted, OnRegionsProposed
from services.kernel.errors import InvalidInput
from services.runtime.codec.region import write_image
from services.runtime.event_log.ports import Position
from services.runtime.event_loop.position import at
from services.runtime.events import EventWriter, Tombstone
from services.runtime.topics import TOPICS
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding, reference, waiting_door
from tests.fakes.encoding import DarknessEncoder

REGIONS = [
    region_pb2.Region(region_id="0", box=region_pb2.Box(left=0, top=0, right=20, bottom=30)),
    region_pb2.Region(
        region_id="1",
        box=region_pb2.Box(left=20, top=0, right=40, bottom=30),
        origin=region_pb2.REGION_ORIGIN_CALLER,
        mask=region_pb2.Mask(height_px=30, width_px=40, counts=[600, 600]),
    ),
]
REGIONS[0].origin = region_pb2.REGION_ORIGIN_CALLER
COLLECTION = envelope_pb2.CollectionKey(tenant="acme", collection="birds")


def proposed() -> segmentation_events.RegionsProposed:
    return segmentation_events.RegionsProposed(
        envelope=envelope_pb2.Envelope(
            collection=COLLECTION,
            recognition_id="r1",
            image=write_image(IMAGE),
            stages=[envelope_pb2.Stage(name="segmentation")],
        ),
        regions=REGIONS,
    )


def asked(request: pb.EncodeRegionsRequest) -> pb.EncodeRegionsResponse:
    with waiting_door(FakeEncoding()) as channel:
        return encoding_pb2_grpc.EncodingServiceStub(channel).EncodeRegions(request, timeout=10.0)


def submitted(**change: object) -> gateway_events.ExemplarSubmitted:
    return gateway_events.ExemplarSubmitted(
        collection=COLLECTION,
        exemplar_id="e1",
        **change,  # type: ignore[arg-type]  # one of the two kinds of change
    )


def exemplars() -> OnExemplarsSubmitted:
    encoding = FakeEncoding()
    return OnExemplarsSubmitted(encoding.exemplar, encoding.restore)


def image_exemplar(exemplar_id: str = "e1") -> exemplar_pb2.Exemplar:
    return exemplar_pb2.Exemplar(
        exemplar_id=exemplar_id,
        label="wren",
        kind=exemplar_pb2.EXEMPLAR_KIND_IMAGE,
        attributes={"sex": exemplar_pb2.AttributeValue(text="male")},
        image=write_image(IMAGE),
    )


def test_both_doors_give_the_same_embeddings_and_the_same_stage() -> None:
    event = OnRegionsProposed(FakeEncoding().regions)(proposed())
    answer = asked(pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=REGIONS))

    assert list(event.embeddings) == list(answer.regions)
    assert event.envelope.stages[-1] == answer.stage


def test_regions_and_envelope_travel_on_with_one_more_stage() -> None:
    event = OnRegionsProposed(FakeEncoding().regions)(proposed())

    assert list(event.regions) == REGIONS
    assert [region.region_id for region in event.embeddings] == ["0", "1"]
    assert [stage.name for stage in event.envelope.stages] == ["segmentation", "encoding"]
    assert event.envelope.collection == COLLECTION
    assert event.envelope.recognition_id == "r1"


def test_a_damaged_image_is_refused_with_the_same_field_as_at_the_other_door() -> None:
    data = b"I am a text"
    event = proposed()
    event.envelope.image.CopyFrom(write_image(reference(data)))

    with pytest.raises(InvalidInput) as caught:
        OnRegionsProposed(FakeEncoding({reference(data).key: data}).regions)(event)

    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_FORMAT_UNKNOWN")


def test_an_exemplar_comes_out_as_it_went_in_with_its_embedding() -> None:
    output = exemplars()(submitted(remember=image_exemplar()))

    assert isinstance(output, events.ExemplarEncoded)
    assert output.collection == COLLECTION
    assert output.exemplar.exemplar == image_exemplar()
    assert [embedding.space for embedding in output.exemplar.embeddings] == ["visual"]


def test_a_name_is_encoded_as_a_text() -> None:
    name = exemplar_pb2.Exemplar(
        exemplar_id="e1", label="wren", kind=exemplar_pb2.EXEMPLAR_KIND_NAME, text="wren"
    )

    output = exemplars()(submitted(remember=name))

    assert isinstance(output, events.ExemplarEncoded)
    assert [embedding.space for embedding in output.exemplar.embeddings] == ["name"]


def test_forgetting_deletes_under_the_same_key_as_remembering() -> None:
    handle, writer = exemplars(), EventWriter(TOPICS, producer="encoding/1.2")

    remembered = handle(submitted(remember=image_exemplar()))
    assert remembered is not None
    kept = writer.record(remembered)
    output = handle(submitted(forget=True))

    assert output == Tombstone("exemplars.encoded", "acme/birds/e1")
    deleted = writer.record(output)
    assert (deleted.topic, deleted.key) == (kept.topic, kept.key)
    assert deleted.value is None


def test_an_exemplar_that_comes_with_its_embeddings_leaves_as_one_that_was_encoded() -> None:
    handle = exemplars()
    encoded = handle(submitted(remember=image_exemplar()))
    assert isinstance(encoded, events.ExemplarEncoded)

    restored = handle(submitted(restore=encoded.exemplar))

    assert restored == encoded


def test_an_embedding_that_is_no_unit_vector_is_refused() -> None:
    embedding = embedding_pb2.Embedding(vector=bytes(12), encoder="colours@1", space="visual")
    kept = exemplar_pb2.EncodedExemplar(exemplar=image_exemplar(), embeddings=[embedding])

    with pytest.raises(InvalidInput) as caught:
        exemplars()(submitted(restore=kept))

    assert (caught.value.field, caught.value.reason) == ("restore.embeddings[0].vector", "EMBEDDING_INVALID")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (submitted(), "change"),
        (submitted(remember=image_exemplar("e2")), "remember.exemplar_id"),
        (
            submitted(restore=exemplar_pb2.EncodedExemplar(exemplar=image_exemplar("e2"))),
            "restore.exemplar.exemplar_id",
        ),
        (gateway_events.ExemplarSubmitted(collection=COLLECTION, forget=True), "exemplar_id"),
    ],
)
def test_an_event_that_says_nothing_clear_is_refused(
    event: gateway_events.ExemplarSubmitted, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        exemplars()(event)

    assert caught.value.field == field


def at_offset(offset: int, handle: OnExemplarsSubmitted, **change: object) -> object:
    with at(Position("exemplars.submitted", 0, offset)):
        return handle(submitted(**change))


def test_a_picture_is_encoded_into_the_spaces_that_its_collection_uses() -> None:
    encoding = FakeEncoding({IMAGE.key: PICTURE}, None, DarknessEncoder())
    handle = OnExemplarsSubmitted(encoding.exemplar, encoding.restore)

    output = handle(submitted(remember=image_exemplar(), spaces=["visual", "dark"]))

    assert isinstance(output, events.ExemplarEncoded)
    assert [embedding.space for embedding in output.exemplar.embeddings] == ["visual", "dark"]


def test_the_regions_of_an_image_are_encoded_into_the_spaces_that_vote() -> None:
    event = proposed()
    event.envelope.options.votes.add(space="dark", weight=1, temperature=0.1)
    event.envelope.options.votes.add(space="visual", weight=0, temperature=0.1)
    encoding = FakeEncoding({IMAGE.key: PICTURE}, None, DarknessEncoder())

    found = OnRegionsProposed(encoding.regions)(event)

    assert [each.space for each in found.embeddings[0].embeddings] == ["dark"]


def test_what_was_overtaken_is_left_undone() -> None:
    encoding = FakeEncoding({IMAGE.key: PICTURE}, None, DarknessEncoder())
    handle = OnExemplarsSubmitted(encoding.exemplar, encoding.restore)
    old = at_offset(3, handle, remember=image_exemplar())
    assert isinstance(old, events.ExemplarEncoded)

    def filled_in(offset: int, *, since: int) -> object:
        fill = {"restore": old.exemplar, "spaces": ["visual", "dark"], "unless_changed_since": [since]}
        return at_offset(offset, handle, **fill)

    done = filled_in(4, since=4)
    assert isinstance(done, events.ExemplarEncoded)
    assert [embedding.space for embedding in done.exemplar.embeddings] == ["visual", "dark"]
    assert at_offset(5, handle, forget=True) == Tombstone("exemplars.encoded", "acme/birds/e1")
    assert filled_in(6, since=4) is None
    assert filled_in(7, since=6) is not None  # it was read after it had been forgotten, and taught again


def test_whoever_does_not_know_the_past_leaves_it_undone() -> None:
    handle = exemplars()
    old = at_offset(3, handle, remember=image_exemplar())
    assert isinstance(old, events.ExemplarEncoded)

    restarted = exemplars()

    assert at_offset(4, restarted, restore=old.exemplar, unless_changed_since=[3]) is None
    assert at_offset(4, handle, restore=old.exemplar, unless_changed_since=[4, 0]) is not None
    assert handle(submitted(restore=old.exemplar, unless_changed_since=[9])) is None  # outside of a loop
