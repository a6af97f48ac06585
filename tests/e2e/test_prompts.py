"""Prompts in words through both doors of a running Fovea, with the detector that ships."""

from __future__ import annotations

import io
from functools import cache

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from PIL import Image

from examples.demo.scenes import Scene, draw
from examples.demo.task import Picture, load
from fovea.gateway.v1 import collections_pb2, gateway_pb2
from fovea.kernel.v1.envelope_pb2 import RecognitionOptions
from fovea.kernel.v1.prompt_pb2 import FindOptions, Prompt
from fovea.kernel.v1.recognition_pb2 import RECOGNITION_STATE_COMPLETED, Recognition
from fovea.kernel.v1.region_pb2 import MASK_FORMAT_POLYGONS, REGION_ORIGIN_PROMPT, Box, Shape
from services.kernel.limits import LIMITS
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import png
from tests.e2e.waiting import eventually, unless_missing

ALL_FOUND = FindOptions(threshold=0.0)
"""Whatever the detector's queries say counts as found: what is tested is the way, not the detector."""


@cache
def scene() -> Scene:
    drawings = [picture for picture in load() if picture.vendor != "twemoji"]
    return draw(drawings, scenes=1, seed=5)[0]


def taught(calls: Calls) -> list[str]:
    """Teach every class of the scene by one drawing, and return the exemplars' ids."""
    lessons = {thing.picture.label: thing.picture for thing in scene().things}
    answers = calls.remember((label, _png(picture)) for label, picture in lessons.items())
    return [answer.exemplar_id for answer in answers]


def _png(picture: Picture) -> bytes:
    packed = io.BytesIO()
    with Image.open(picture.path) as opened:
        opened.convert("RGBA").save(packed, "PNG")
    return packed.getvalue()


def through_the_stream(calls: Calls, image: bytes, options: RecognitionOptions, name: str) -> Recognition:
    (answer,) = calls.submit({name: image}, options=options)
    assert answer.HasField("receipt"), answer
    return eventually(lambda: unless_missing(lambda: calls.recognition(name)))


def comparable(record: Recognition) -> dict[str, object]:
    fields = MessageToDict(record)
    fields.pop("endedAt")
    for name in ("recognitionId", "submissionId", "acceptedAt", "traceId"):
        fields["envelope"].pop(name, None)
    for stage in fields["envelope"]["stages"]:
        stage.pop("durationS", None)
    return dict(fields)


def test_what_prompts_find_is_the_same_record_through_both_doors(calls: Calls) -> None:
    exemplar_ids = taught(calls)
    names = [Prompt(name=prompt.text) for prompt in scene().prompts if prompt.kind == "name"]
    prompts = [*names, Prompt(phrase="the red one, on the left"), Prompt(exemplar_id=exemplar_ids[0])]
    options = RecognitionOptions(prompts=prompts, find=FindOptions(threshold=0.05, overlap=0.8), size=2)

    waited = calls.recognize(scene().encoded, options=options)
    streamed = through_the_stream(calls, scene().encoded, options, f"streamed-{calls.key.collection}")

    assert waited.state == RECOGNITION_STATE_COMPLETED
    assert comparable(waited) == comparable(streamed)
    asked = waited.envelope.options
    assert [prompt.WhichOneof("kind") for prompt in asked.prompts[-2:]] == ["phrase", "exemplar_id"]
    assert asked.prompts[-1].picture.image.key
    assert asked.find.overlap == 0.8
    assert waited.regions
    for i, each in enumerate(waited.regions):
        found = each.region.found_by
        assert (each.region.region_id, each.region.origin) == (str(i), REGION_ORIGIN_PROMPT)
        assert found.prompt < len(prompts)
        assert found.threshold <= found.score <= 1
        assert each.ranking.labels
        assert each.candidates.region_id == each.ranking.region_id == str(i)
    scores = [each.region.found_by.score for each in waited.regions]
    assert scores == sorted(scores, reverse=True)
    models = [model.split("@")[0] for model in waited.envelope.stages[0].models]
    assert "fovea-detector" in models


def test_a_picture_in_which_nothing_is_found_ends_completed_through_both_doors(calls: Calls) -> None:
    options = RecognitionOptions(prompts=[Prompt(name="zeppelin")], find=FindOptions(threshold=1.0))

    waited = calls.recognize(png("fern"), options=options)
    streamed = through_the_stream(calls, png("fern"), options, f"nothing-{calls.key.collection}")

    assert (waited.state, list(waited.regions)) == (RECOGNITION_STATE_COMPLETED, [])
    assert [stage.name for stage in waited.envelope.stages] == [
        "segmentation",
        "encoding",
        "retrieval",
        "ranking",
    ]
    assert comparable(waited) == comparable(streamed)


def test_polygons_come_through_both_doors_for_the_same_masks(calls: Calls) -> None:
    names = [Prompt(name=prompt.text) for prompt in scene().prompts if prompt.kind == "name"]
    find = FindOptions(threshold=0.05, overlap=0.8)
    options = RecognitionOptions(prompts=names, find=find, size=1)

    masked = calls.recognize(scene().encoded, options=options)
    options.find.mask_format = MASK_FORMAT_POLYGONS
    waited = calls.recognize(scene().encoded, options=options)
    streamed = through_the_stream(calls, scene().encoded, options, f"drawn-{calls.key.collection}")

    assert comparable(waited) == comparable(streamed)
    assert len(waited.regions) == len(masked.regions) > 0
    for drawn, before in zip(waited.regions, masked.regions, strict=True):
        assert not drawn.region.HasField("mask")
        assert bool(drawn.region.polygons) == before.region.HasField("mask")
        drawn.region.ClearField("polygons")
        before.region.ClearField("mask")
        assert drawn == before


def test_more_regions_than_an_image_may_have_are_the_best_and_the_record_says_so(calls: Calls) -> None:
    prompts = [Prompt(name=f"thing number {i}") for i in range(24)]

    record = calls.recognize(
        scene().encoded, options=RecognitionOptions(prompts=prompts, find=ALL_FOUND, size=1)
    )

    assert len(record.regions) == LIMITS.regions_per_image
    assert "regions_capped" in record.envelope.stages[0].rungs


def test_each_picture_of_a_stream_is_searched_for_its_own_prompts(calls: Calls) -> None:
    find = FindOptions(threshold=0.05)
    lists = [["poppy"], ["fern", "cornflower"], ["zeppelin"]]
    requests = [
        gateway_pb2.RecognizeStreamRequest(
            task=calls.task(
                png("poppy", seed=i),
                options=RecognitionOptions(prompts=[Prompt(name=name) for name in names], find=find),
            )
        )
        for i, names in enumerate(lists)
    ]

    answers = list(calls.gateway.RecognizeStream(iter(requests), timeout=TIMEOUT_S))

    searched = [[prompt.name for prompt in each.recognition.envelope.options.prompts] for each in answers]
    assert searched == lists


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        (
            RecognitionOptions(prompts=[Prompt(name="owl"), Prompt(exemplar_id="nobody")]),
            grpc.StatusCode.NOT_FOUND,
            "options.prompts[1].exemplar_id",
        ),
        (
            RecognitionOptions(prompts=[Prompt(name="owl"), Prompt(name="owl")]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "options.prompts[1].name",
        ),
        (
            RecognitionOptions(prompts=[Prompt(sentence="x" * 100_000)]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "options.prompts[0].sentence",
        ),
        (
            RecognitionOptions(
                prompts=[Prompt(name="owl")], shapes=[Shape(box=Box(left=0, top=0, right=9, bottom=9))]
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "options.prompts",
        ),
        (
            RecognitionOptions(prompts=[Prompt(name="owl")], find=FindOptions(threshold=2)),
            grpc.StatusCode.INVALID_ARGUMENT,
            "options.find.threshold",
        ),
    ],
)
def test_a_prompt_that_cannot_be_looked_for_is_refused_by_its_place_at_both_doors(
    calls: Calls, options: RecognitionOptions, code: grpc.StatusCode, field: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(png("fern"), options=options)
    (submitted,) = calls.submit({f"refused-{calls.key.collection}": png("fern")}, options=options)

    assert refused.value.code() is code
    assert (submitted.failure.status, submitted.failure.field) == (code.name, field)
    assert field in str(refused.value.trailing_metadata())


def test_an_exemplar_without_a_picture_is_no_prompt(calls: Calls) -> None:
    (named,) = calls.remember([("water lily", "water lily")])
    options = RecognitionOptions(prompts=[Prompt(exemplar_id=named.exemplar_id)])

    with pytest.raises(grpc.RpcError) as refused:
        calls.recognize(png("fern"), options=options)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "EXEMPLAR_WITHOUT_PICTURE" in str(refused.value.trailing_metadata())


def test_an_exemplar_whose_picture_was_not_kept_is_refused_by_its_place(calls: Calls) -> None:
    calls.update_collection(
        image_retention=collections_pb2.ImageRetention(policy=collections_pb2.RETENTION_POLICY_NONE)
    )
    (taught,) = calls.remember([("poppy", png("poppy"))])
    options = RecognitionOptions(prompts=[Prompt(name="owl"), Prompt(exemplar_id=taught.exemplar_id)])

    with pytest.raises(grpc.RpcError) as refused:
        eventually(lambda: None if calls.recognize(png("fern"), options=options) else 1)

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert "options.prompts[1].exemplar_id" in str(refused.value.trailing_metadata())


def test_more_words_than_an_event_holds_are_looked_for_through_both_doors(calls: Calls) -> None:
    prompts = [Prompt(name=f"{i} {'x' * 1_900}") for i in range(150)]  # long, but of two tokens
    options = RecognitionOptions(prompts=prompts, find=FindOptions(threshold=1.0))
    assert options.ByteSize() > LIMITS.event_bytes

    waited = calls.recognize(png("fern"), options=options)
    streamed = through_the_stream(calls, png("fern"), options, f"many-{calls.key.collection}")

    assert len(waited.envelope.options.prompts) == len(prompts)
    assert comparable(waited) == comparable(streamed)
