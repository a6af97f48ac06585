from pathlib import Path

import pytest
from grpc import StatusCode

import fovea
from fovea.client import (
    Ancestor,
    BroaderLabel,
    DeadlineExceeded,
    FoundBy,
    InvalidInput,
    NotFound,
    RankedLabel,
    Unavailable,
    Unsupported,
)
from fovea.client.connection import Patience
from tests.fakes.gateway_server import FakeServer
from tests.fakes.script import Trouble


def test_an_answer_names_the_best_label_and_keeps_the_message(client: fovea.Client) -> None:
    answer = client.recognize(b"goldfinch")

    assert answer.best == "goldfinch"
    assert answer.labels[0] == RankedLabel("goldfinch", 0.7)
    assert answer.status == "degraded"
    assert answer.probability_unknown == pytest.approx(0.1)
    assert not answer.failed
    first = answer.regions[0].candidates[0]
    assert (first.neighbours[0].exemplar_id, first.neighbours[0].box) == ("e1", (1, 2, 3, 4))
    assert first.descriptions == ("red face",)
    assert answer.raw is not None
    assert answer.raw.envelope.stages[0].name == answer.stages[0].name == "ranking"


def test_a_ranked_answer_says_what_each_source_said(client: fovea.Client) -> None:
    region = client.recognize(b"goldfinch, ranked").regions[0]

    assert region.status is fovea.Status.RANKED
    assert region.judgement is not None
    retrieval, pairs = region.judgement.evidence
    assert (retrieval.source, retrieval.weight) == ("retrieval", 1.3)
    assert pairs.share("goldfinch") == pytest.approx(0.9)
    assert pairs.share("not asked about") is None
    assert (region.judgement.mode, region.judgement.parsing) == ("pictures", "read")
    assert region.judgement.readings[0].order == (0, 1)


def test_what_no_model_was_asked_about_has_no_judgement(client: fovea.Client) -> None:
    assert client.recognize(b"goldfinch").regions[0].judgement is None


def test_an_unknown_has_no_best_label_but_keeps_its_ranking(client: fovea.Client) -> None:
    answer = client.recognize(b"unknown")

    assert answer.best is None
    assert answer.status is fovea.Status.UNKNOWN
    assert len(answer.labels) == 2


def test_a_broader_answer_stands_beside_the_ranking(client: fovea.Client) -> None:
    region = client.recognize(b"goldfinch < finch").regions[0]

    assert region.broader == BroaderLabel("finch", 0.85, steps=1)
    assert (region.best, region.probability) == ("finch", 0.85)
    assert region.labels[0].label == "goldfinch"
    assert region.candidates[0].ancestors == (Ancestor("finch", 0.95),)


def test_the_probability_is_that_of_the_answer(client: fovea.Client) -> None:
    assert client.recognize(b"goldfinch").regions[0].probability == 0.7
    assert client.recognize(b"unknown").regions[0].probability == pytest.approx(0.1)


def test_a_picture_may_be_a_path(client: fovea.Client, tmp_path: Path) -> None:
    (tmp_path / "bird.jpg").write_bytes(b"goldfinch")

    assert client.recognize(tmp_path / "bird.jpg").best == "goldfinch"
    assert client.recognize(str(tmp_path / "bird.jpg")).source == str(tmp_path / "bird.jpg")


def test_a_missing_file_is_invalid_input(client: fovea.Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist") as caught:
        client.recognize(tmp_path / "nothing.jpg")

    assert (caught.value.reason, caught.value.field) == ("FILE_NOT_FOUND", "image")


def test_a_picture_that_no_message_holds_is_refused_before_it_is_sent(
    client: fovea.Client, server: FakeServer
) -> None:
    with pytest.raises(InvalidInput) as caught:
        client.recognize(bytes(32 * 1024 * 1024))

    assert caught.value.reason == "IMAGE_TOO_LARGE"
    assert server.script.calls["Recognize"] == 0


def test_all_that_is_asked_reaches_the_server(client: fovea.Client, server: FakeServer) -> None:
    options = fovea.Options(
        where={"continent": ["Africa", "Asia"], "length_cm": fovea.Between(10, 20), "adult": True},
        prompts=[fovea.Prompt("bottle"), fovea.Prompt("the left one", kind="phrase")],
        exclude=["e1"],
        votes=[fovea.SpaceVote("visual", 1, 0.1, 0.5)],
        unknown_threshold=0.0,
        level_threshold=0.25,
        neighbours_per_label=2,
    )
    mask = fovea.Mask.from_rows([[0, 1], [0, 1]])

    client.recognize(
        b"x",
        regions=[(1, 2, 3, 4), [(0, 0), (1, 0), (1, 1)], mask],
        size=3,
        options=options,
        recognition_id="r",
    )

    task = server.script.requests["Recognize"][0].task
    asked = task.options
    assert (task.recognition_id, task.collection.tenant, asked.size) == ("r", "default", 3)
    assert [shape.WhichOneof("kind") for shape in asked.shapes] == ["box", "polygon", "mask"]
    assert list(asked.shapes[2].mask.counts) == [2, 2]
    assert [value.text for value in asked.filter[0].one_of.values] == ["Africa", "Asia"]
    assert (asked.filter[1].range.least, asked.filter[1].range.most) == (10, 20)
    assert asked.filter[2].equals.flag
    assert [prompt.WhichOneof("kind") for prompt in asked.prompts] == ["name", "phrase"]
    assert asked.HasField("unknown_threshold")
    assert (asked.level_threshold, asked.neighbours_per_label) == (0.25, 2)
    assert not asked.HasField("trust_threshold")


def test_what_is_found_says_which_prompt_found_it_and_how_surely(client: fovea.Client) -> None:
    prompts = [fovea.Prompt("missing"), fovea.Prompt("the red, dented one", kind="phrase")]

    answer = client.recognize(b"goldfinch", prompts=prompts)

    (found,) = answer.regions
    assert found.found_by == FoundBy(prompts[1], score=0.775, threshold=0.3)
    assert (found.origin, found.box, found.best) == ("prompt", fovea.Box(1, 0, 3, 3), "goldfinch")
    assert found.mask == fovea.Mask(3, 4, (0, 6, 6))
    assert answer.prompts == tuple(prompts)


def test_outlines_are_polygons_where_they_are_asked_for(client: fovea.Client, server: FakeServer) -> None:
    options = fovea.Options(prompts=[fovea.Prompt("bottle")], find=fovea.Find(mask_format="polygons"))

    (found,) = client.recognize(b"goldfinch", options=options).regions

    assert found.mask is None
    assert found.polygons == (((2, 0), (4, 0), (4, 3), (2, 3)),)
    client.recognize(b"goldfinch", regions=found.polygons)
    (shape,) = server.script.requests["Recognize"][1].task.options.shapes
    assert [(point.x, point.y) for point in shape.polygon.points] == list(found.polygons[0])


def test_a_picture_in_which_nothing_is_found_has_not_failed(client: fovea.Client) -> None:
    answer = client.recognize(b"goldfinch", prompts=[fovea.Prompt("missing")])

    assert (answer.regions, answer.best, answer.failed) == ((), None, False)
    assert answer.status is fovea.Status.NOTHING_FOUND


def test_each_picture_of_a_stream_may_have_prompts_of_its_own(
    client: fovea.Client, server: FakeServer
) -> None:
    cup, left = fovea.Prompt("cup"), fovea.Prompt("the left one", kind="phrase")
    find = fovea.Find(threshold=0.4, tiles=False)
    pictures: list[bytes | fovea.Picture] = [
        b"a",
        fovea.Picture(b"b", prompts=[left, fovea.Prompt("e7", kind="exemplar")]),
    ]

    many = list(client.recognize_many(pictures, options=fovea.Options(prompts=[cup], find=find)))
    list(client.submit(pictures, options=fovea.Options(prompts=[cup])))

    found = [[region.found_by.prompt.text for region in answer.regions if region.found_by] for answer in many]
    assert found == [["cup"], ["the left one", "e7"]]
    for door in ("RecognizeStream", "SubmitImages"):
        asked = [request.task.options for request in server.script.requests[door]]
        assert [prompt.WhichOneof("kind") for prompt in asked[1].prompts] == ["phrase", "exemplar_id"]
    find_sent = server.script.requests["RecognizeStream"][0].task.options.find
    assert (find_sent.threshold, find_sent.tiles, find_sent.HasField("tiles")) == (0.4, False, True)
    assert not find_sent.HasField("overlap")


@pytest.mark.parametrize("shape", [(1, 2, 3), [(1, 2, 3)], [1, 2], [("a",)]])
def test_a_shape_that_is_none_names_its_place(client: fovea.Client, shape: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        client.recognize(b"x", regions=[(0, 0, 1, 1), shape])  # type: ignore[list-item]

    assert caught.value.field == "regions[1]"


def test_the_client_always_chooses_an_id_and_a_retry_keeps_it(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan("Recognize", Trouble(), Trouble())

    answer = client.recognize(b"goldfinch")

    assert server.script.calls["Recognize"] == 3
    ids = {request.task.recognition_id for request in server.script.requests["Recognize"]}
    assert ids == {answer.recognition_id}
    assert answer.recognition_id


def test_a_large_picture_is_tried_again_as_well(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan("Recognize", Trouble())

    client.recognize(b"x" * 2_000_000)

    assert server.script.calls["Recognize"] == 2


def test_a_call_that_would_not_be_the_same_twice_is_not_repeated(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan("Correct", Trouble())

    with pytest.raises(Unavailable):
        client.correct("r", "goldfinch")

    assert server.script.calls["Correct"] == 1


@pytest.mark.parametrize("reason", ["DRAINING", "STARTING"])
def test_any_call_that_a_server_did_not_let_in_is_made_again(
    client: fovea.Client, server: FakeServer, reason: str
) -> None:
    refused = Trouble(reason=reason)
    server.script.plan("Correct", refused, refused)
    answer = client.recognize(b"goldfinch")

    client.correct(answer.recognition_id, "linnet")

    assert server.script.calls["Correct"] == 3


def test_a_call_that_the_server_gave_up_is_made_again_if_that_is_safe(
    client: fovea.Client, server: FakeServer
) -> None:
    given_up = Trouble(StatusCode.CANCELLED)
    server.script.plan("Recognize", *[given_up] * 7)  # more often than gRPC itself would try
    server.script.plan("Correct", given_up)

    assert client.recognize(b"goldfinch").best == "goldfinch"
    with pytest.raises(Unavailable, match="gave the call up"):
        client.correct("r", "goldfinch")


def test_a_stream_that_the_server_gave_up_is_opened_again(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan("RecognizeStream", Trouble(StatusCode.CANCELLED, after_answers=2))

    assert [answer.best for answer in client.recognize_many([b"finch"] * 5)] == ["finch"] * 5


def test_the_server_is_given_the_time_that_it_asks_for(client: fovea.Client, server: FakeServer) -> None:
    overloaded = Trouble(StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", retry_after_s=0.05)
    server.script.plan("Recognize", overloaded, overloaded)

    assert client.recognize(b"goldfinch").best == "goldfinch"
    assert server.script.calls["Recognize"] == 3


def test_a_pause_longer_than_the_time_left_is_not_waited_for(
    client: fovea.Client, server: FakeServer
) -> None:
    server.script.plan(
        "Recognize", Trouble(StatusCode.RESOURCE_EXHAUSTED, "full", "OVERLOADED", retry_after_s=0.9)
    )

    with pytest.raises(fovea.FoveaError) as caught:
        client.using(timeout_s=0.5).recognize(b"goldfinch")

    assert caught.value.retry_after_s == pytest.approx(0.9)


def test_every_unary_call_has_a_deadline(client: fovea.Client, server: FakeServer) -> None:
    client.recognize(b"x", recognition_id="r")
    client.recognition("r")
    client.submission("s")
    client.labels()
    client.list_collections()
    client.teach_name("wren")

    left = [seconds for method in server.script.deadlines.values() for seconds in method]
    assert len(left) == 6
    assert all(seconds is not None and 0 < seconds < 5.1 for seconds in left)


def test_a_slow_server_ends_in_deadline_exceeded(client: fovea.Client, server: FakeServer) -> None:
    server.script.delay_s = 0.5

    with pytest.raises(DeadlineExceeded):
        client.using(timeout_s=0.05).recognize(b"x")


def test_an_error_carries_reason_and_field(client: fovea.Client, server: FakeServer) -> None:
    server.script.plan(
        "Recognize",
        Trouble(StatusCode.UNIMPLEMENTED, "no text prompts yet", "PROMPTS_UNSUPPORTED", "prompts[0]"),
    )

    with pytest.raises(Unsupported, match="no text prompts") as caught:
        client.recognize(b"x")

    assert (caught.value.reason, caught.value.field) == ("PROMPTS_UNSUPPORTED", "prompts[0]")


def test_a_server_that_is_not_there_is_named() -> None:
    with fovea.Client("127.0.0.1:1", timeout_s=5) as client, pytest.raises(Unavailable) as caught:
        client.recognize(b"x")

    assert caught.value.reason == "UNREACHABLE"
    assert "127.0.0.1:1" in caught.value.message
    assert "refused" in caught.value.message


def test_a_stream_keeps_the_order_and_outlives_bad_pictures(client: fovea.Client, tmp_path: Path) -> None:
    (tmp_path / "wren.png").write_bytes(b"wren")
    pictures: list[bytes | Path | fovea.Picture] = [
        b"goldfinch",
        tmp_path / "nothing.png",
        b"bad",
        fovea.Picture(tmp_path / "wren.png"),
        b"robin",
    ]

    answers = list(client.recognize_many(pictures))

    assert [answer.best for answer in answers] == ["goldfinch", None, None, "wren", "robin"]
    assert [answer.failed for answer in answers] == [False, True, True, False, False]
    assert [answer.failure.reason for answer in answers if answer.failure] == [
        "FILE_NOT_FOUND",
        "IMAGE_UNREADABLE",
    ]
    assert answers[1].status is fovea.Status.FAILED
    assert answers[3].source == str(tmp_path / "wren.png")


def test_a_record_that_ended_as_dead_letter_has_failed(client: fovea.Client) -> None:
    client.recognize(b"dead", recognition_id="r")

    assert client.recognition("r").failed


def test_submitted_pictures_get_receipts_and_can_be_followed(client: fovea.Client) -> None:
    receipts = list(client.submit([b"goldfinch", b"bad", b"dead"], submission_id="batch"))

    assert [receipt.failed for receipt in receipts] == [False, True, False]
    assert {receipt.submission_id for receipt in receipts} == {"batch"}
    assert receipts[0].accepted_at is not None
    batch = client.submission("batch")
    assert (batch.accepted, batch.completed, batch.failed, batch.pending) == (2, 1, 1, 0)
    assert client.recognition(receipts[0].recognition_id).submission_id == "batch"


def test_a_batch_has_one_id_that_the_client_chooses(client: fovea.Client) -> None:
    receipts = list(client.submit([b"a", b"b"]))

    assert len({receipt.submission_id for receipt in receipts}) == 1
    assert receipts[0].submission_id


def test_what_has_not_ended_is_not_found(client: fovea.Client) -> None:
    with pytest.raises(NotFound):
        client.recognition("nothing")


def test_a_watch_goes_on_behind_the_last_record_after_a_disconnect(
    client: fovea.Client, server: FakeServer
) -> None:
    for name in (b"a", b"b", b"c"):
        client.recognize(name, recognition_id=name.decode())
    server.gateway.watched = list(server.gateway.records.values())
    server.script.plan("WatchRecognitions", Trouble(after_answers=2), Trouble())

    watch = client.watch()
    seen = [next(watch) for _ in range(3)]

    assert [answer.recognition_id for answer in seen] == ["a", "b", "c"]
    tokens = [request.resume_token for request in server.script.requests["WatchRecognitions"]]
    assert tokens == ["", "2", "2"]
    assert [answer.resume_token for answer in seen] == ["1", "2", "3"]


def test_a_watch_ends_when_the_server_stays_away(client: fovea.Client, server: FakeServer) -> None:
    server.stop()
    quick = client.using()
    quick._session.connection.patience = Patience(attempts=1, first_pause_s=0.01)

    with pytest.raises(Unavailable):
        next(quick.watch())
