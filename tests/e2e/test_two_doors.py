"""The waiting door and the streaming door give the same record."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict

from fovea.gateway.v1 import collections_pb2, memory_pb2
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_COMPLETED, Recognition
from fovea.kernel.v1.region_pb2 import Box, Mask, Point, Polygon, Shape
from services.encoding.settings import EncodingSettings
from services.kernel.limits import LIMITS
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually, unless_missing

# What two records of one request may differ in: ids, timings, and nothing else.
_IDS_AND_TIMES = ("recognitionId", "submissionId", "acceptedAt", "traceId")


def _comparable(record: Recognition) -> dict[str, object]:
    fields = MessageToDict(record)
    fields.pop("endedAt")
    for name in _IDS_AND_TIMES:
        fields["envelope"].pop(name, None)
    for stage in fields["envelope"]["stages"]:
        stage.pop("durationS", None)
    return dict(fields)


def _through_the_stream(calls: Calls, image: bytes, options: RecognitionOptions) -> Recognition:
    name = f"streamed-into-{calls.key.collection}"
    (answer,) = calls.submit({name: image}, options=options)
    assert answer.HasField("receipt"), answer
    return eventually(lambda: unless_missing(lambda: calls.recognition(name)))


def _taught(calls: Calls) -> None:
    lessons: list[tuple[str, bytes | str]] = [(label, png(label, seed=1)) for label in COLOURS]
    answers = calls.remember([*lessons, ("water lily", "water lily")])
    assert [answer.WhichOneof("result") for answer in answers] == ["memory_version"] * 4


def test_a_whole_image_gives_the_same_record_through_both_doors(calls: Calls) -> None:
    _taught(calls)
    image, options = png("poppy", seed=2), RecognitionOptions(size=3)

    waited = calls.recognize(image, options=options)
    streamed = _through_the_stream(calls, image, options)

    assert waited.state == RECOGNITION_STATE_COMPLETED
    assert _comparable(waited) == _comparable(streamed)
    assert waited.regions[0].ranking.labels[0].label == "poppy"


def test_boxes_polygons_and_masks_give_the_same_record_through_both_doors(calls: Calls) -> None:
    _taught(calls)
    triangle = Polygon(points=[Point(x=10, y=10), Point(x=110, y=20), Point(x=60, y=110)])
    half = Mask(height_px=128, width_px=128, counts=[0, 128 * 64, 128 * 64])
    shapes = [
        Shape(box=Box(left=8, top=8, right=120, bottom=140)),
        Shape(polygon=triangle),
        Shape(mask=half),
    ]
    options = RecognitionOptions(shapes=shapes)

    waited = calls.recognize(png("fern", seed=3), options=options)
    streamed = _through_the_stream(calls, png("fern", seed=3), options)

    assert len(waited.regions) == 3
    assert _comparable(waited) == _comparable(streamed)


def test_a_broader_answer_is_the_same_through_both_doors(calls: Calls) -> None:
    parents = {
        "poppy": "red flower",
        "rose": "red flower",
        "red flower": "plant",
        "fern": "plant",
        "plant": "",
    }
    hierarchy = [collections_pb2.LabelParent(label=label, parent=above) for label, above in parents.items()]
    calls.update_collection(hierarchy=hierarchy)
    calls.remember(
        [("poppy", png("poppy", seed=1)), ("rose", png("poppy", seed=2)), ("fern", png("fern", seed=1))]
    )
    image = png("poppy", seed=3)
    known = eventually(lambda: _with_ancestors(calls.recognize(image))).regions[0]
    likely = (1 - known.candidates.unknown_score) * known.candidates.candidates[0].ancestors[0].score
    between = (known.ranking.gates[2].value + likely) / 2
    options = RecognitionOptions(size=3, level_threshold=between)

    waited = calls.recognize(image, options=options)
    streamed = _through_the_stream(calls, image, options)

    assert _comparable(waited) == _comparable(streamed)
    ranking = waited.regions[0].ranking
    assert (ranking.broader.label, ranking.broader.steps) == ("red flower", 1)
    assert ranking.broader.probability > ranking.gates[2].threshold > ranking.gates[2].value
    assert {each.label for each in ranking.labels[:2]} == {"poppy", "rose"}
    ancestors = waited.regions[0].candidates.candidates[0].ancestors
    assert [each.label for each in ancestors] == ["red flower", "plant"]


def _with_ancestors(record: Recognition) -> Recognition | None:
    return record if record.regions[0].candidates.candidates[0].ancestors else None


def test_a_hierarchy_that_no_event_holds_is_in_force(calls: Calls) -> None:
    many = [(f"a species of the number {number}", "red flower") for number in range(13_204)]
    pairs = [("red flower", ""), ("poppy", "red flower"), *many]
    hierarchy = [collections_pb2.LabelParent(label=label, parent=parent) for label, parent in pairs]
    assert sum(entry.ByteSize() for entry in hierarchy) > LIMITS.event_bytes
    calls.update_collection(hierarchy=hierarchy)
    calls.remember([("poppy", png("poppy", seed=1))])

    record = eventually(lambda: _with_ancestors(calls.recognize(png("poppy", seed=1))))

    (above,) = record.regions[0].candidates.candidates[0].ancestors
    assert (above.label, above.score) == ("red flower", 1.0)


def test_what_was_taught_about_looks_comes_with_the_answer_until_it_is_forgotten(calls: Calls) -> None:
    _taught(calls)
    lesson = memory_pb2.RememberRequest(
        collection=calls.key, label="poppy", attribute="four red petals", exemplar_id="looks"
    )
    (taught,) = calls.memory.Remember(iter([lesson]), timeout=10)
    options = RecognitionOptions(size=3, min_memory_version=taught.memory_version)

    waited = calls.recognize(png("poppy", seed=2), options=options)
    streamed = _through_the_stream(calls, png("poppy", seed=2), options)

    assert _comparable(waited) == _comparable(streamed)
    assert _descriptions(waited)["poppy"] == ["four red petals"]
    assert sum(map(len, _descriptions(waited).values())) == 1

    request = memory_pb2.ForgetRequest(collection=calls.key, exemplar_ids=["looks"])
    gone = calls.memory.Forget(request, timeout=10)
    options = RecognitionOptions(size=3, min_memory_version=gone.memory_version)
    after = calls.recognize(png("poppy", seed=2), options=options)
    assert _descriptions(after)["poppy"] == []


def _descriptions(record: Recognition) -> dict[str, list[str]]:
    return {each.label: list(each.descriptions) for each in record.regions[0].candidates.candidates}


def test_every_stage_leaves_its_name_version_and_models(calls: Calls) -> None:
    _taught(calls)

    record = calls.recognize(png("cornflower", seed=4))

    stages = record.envelope.stages
    assert [stage.name for stage in stages] == ["segmentation", "encoding", "retrieval", "ranking"]
    assert all(stage.version for stage in stages)
    assert stages[1].models[0].startswith(f"{EncodingSettings().image_model}@")
    assert stages[1].reading == "crop"
    assert stages[2].memory_version
    assert len(record.envelope.image.digest) == 64


def test_the_same_recognition_id_gives_the_same_record_through_either_door(calls: Calls) -> None:
    _taught(calls)
    image = png("fern", seed=5)

    first = calls.recognize(image, recognition_id="once")
    again = calls.recognize(image, recognition_id="once")
    list(calls.submit({"once": image}))

    assert again == first
    assert calls.recognition("once") == first
