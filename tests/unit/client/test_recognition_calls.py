from pathlib import Path

import pytest

import fovea
from fovea.client import (
    Ancestor,
    BroaderLabel,
    FoundBy,
    InvalidInput,
    RankedLabel,
)
from tests.fakes.gateway_server import FakeServer


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
