"""Prompts on their way through the gateway: as the caller says them, exemplars with what they look like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.gateway.domain.recognition import RecognitionState
from services.kernel.errors import Conflict, FoveaError, InvalidInput, NotFound, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    Box,
    Exemplar,
    ExemplarKind,
    ExemplarPicture,
    FindOptions,
    FoundBy,
    ImageReference,
    Mask,
    Prompt,
    PromptKind,
    RecognitionOptions,
    Region,
    RegionOrigin,
)
from tests.fakes.gateway import task
from tests.fakes.gateway_case import GatewayCase

IMAGE = ImageReference("d" * 64, "default/default/images/d", "image/png", 10, 20, 30)
PART = Region("0", Box(1.0, 2.0, 3.0, 4.0), RegionOrigin.CALLER)
SHOWN = Exemplar("shown", "robin", ExemplarKind.IMAGE, image=IMAGE, region=PART)
NAMED = Exemplar("named", "robin", ExemplarKind.NAME, text="robin")
IMPORTED = Exemplar("imported", "robin", ExemplarKind.IMAGE, image=replace(IMAGE, key=""))
BY_ID = Prompt(PromptKind.EXEMPLAR, "shown")
BY_NAME = Prompt(PromptKind.NAME, "wren")
FIND = FindOptions(threshold=0.4, overlap=0.7, tiles=True)
FOUND = Region(
    "0",
    Box(0.0, 0.0, 4.0, 3.0),
    RegionOrigin.PROMPT,
    Mask(6, 8, (0, 3, 45)),
    found_by=FoundBy(1, 0.8, 0.4),
)


@pytest.fixture
def case() -> GatewayCase:
    case = GatewayCase()
    case.retriever.exemplars = [SHOWN, NAMED, IMPORTED]
    return case


def asking(*prompts: Prompt, find: FindOptions = FIND) -> RecognitionOptions:
    return RecognitionOptions(prompts=prompts, find=find)


def test_segmentation_gets_every_prompt_and_how_to_look(case: GatewayCase) -> None:
    case.recognize(task(options=asking(BY_NAME, BY_ID)))

    shown = BY_ID._replace(picture=ExemplarPicture(IMAGE, PART))
    assert case.segmenter.asked == [((BY_NAME, shown), FIND)]


def test_the_record_says_what_was_looked_for_and_what_found_each_region(case: GatewayCase) -> None:
    case.segmenter.found = (FOUND,)

    record = case.recognize(task(options=asking(BY_NAME, BY_ID)))

    (found,) = record.regions
    assert found.region == FOUND
    assert record.envelope.options.prompts[found.region.found_by.prompt].text == "shown"  # type: ignore[union-attr]
    assert record.envelope.options.find == FIND


def test_an_image_in_which_nothing_was_found_is_completed_with_no_region(case: GatewayCase) -> None:
    case.segmenter.found = ()

    record = case.recognize(task(options=asking(BY_NAME)))

    assert (record.state, record.regions) == (RecognitionState.COMPLETED, ())
    assert [stage.name for stage in record.envelope.stages] == [
        "segmentation",
        "encoding",
        "retrieval",
        "ranking",
    ]


def test_what_is_submitted_travels_with_the_picture_of_its_exemplar(case: GatewayCase) -> None:
    envelope = case.submit(task(submission_id="s1", options=asking(BY_ID)))

    assert case.announcer.submissions == [envelope]
    assert envelope.options.prompts[0].picture == ExemplarPicture(IMAGE, PART)


def test_a_picture_that_the_caller_sends_is_not_believed(case: GatewayCase) -> None:
    stolen = ExemplarPicture(replace(IMAGE, key="other/default/images/d"))

    case.recognize(task(options=asking(BY_ID._replace(picture=stolen), BY_NAME._replace(picture=stolen))))

    ((prompts, _),) = case.segmenter.asked
    assert prompts == (BY_ID._replace(picture=ExemplarPicture(IMAGE, PART)), BY_NAME)


@pytest.mark.parametrize(
    ("prompt", "error", "reason"),
    [
        (Prompt(PromptKind.EXEMPLAR, "nobody"), NotFound, "EXEMPLAR_UNKNOWN"),
        (Prompt(PromptKind.EXEMPLAR, "named"), InvalidInput, "EXEMPLAR_WITHOUT_PICTURE"),
        (Prompt(PromptKind.EXEMPLAR, "imported"), InvalidInput, "EXEMPLAR_WITHOUT_PICTURE"),
    ],
)
@pytest.mark.parametrize("door", ["recognize", "submit"])
def test_an_exemplar_that_shows_nothing_is_refused_by_its_place(
    case: GatewayCase, door: str, prompt: Prompt, error: type[FoveaError], reason: str
) -> None:
    with pytest.raises(error) as refused:
        getattr(case, door)(task(options=asking(BY_NAME, prompt)))

    assert (refused.value.field, refused.value.reason) == ("options.prompts[1].exemplar_id", reason)
    assert case.images.kept == {}


def test_the_memory_is_asked_only_where_an_exemplar_is_a_prompt(case: GatewayCase) -> None:
    case.recognize(task(options=asking(BY_NAME)))
    assert case.retriever.queries == []

    case.recognize(task(options=replace(asking(BY_NAME, BY_ID), min_memory_version="v7")))

    (query,) = case.retriever.queries
    assert (query.exemplar_ids, query.page_size, query.min_memory_version) == (("shown",), 1, "v7")


def test_more_exemplars_than_a_page_has_are_looked_up_in_several(case: GatewayCase) -> None:
    many = [replace(SHOWN, exemplar_id=f"e{i}") for i in range(LIMITS.page_size + 1)]
    case.retriever.exemplars = list(many)

    case.recognize(task(options=asking(*(Prompt(PromptKind.EXEMPLAR, each.exemplar_id) for each in many))))

    assert [len(query.exemplar_ids) for query in case.retriever.queries] == [LIMITS.page_size, 1]


@pytest.mark.parametrize("door", ["recognize", "submit"])
def test_a_retry_is_the_same_request_even_when_its_exemplar_is_gone(case: GatewayCase, door: str) -> None:
    request = task(recognition_id="r1", submission_id="s1", options=asking(BY_ID))
    first = getattr(case, door)(request)
    case.retriever.exemplars = []

    assert getattr(case, door)(request) == first
    with pytest.raises(Conflict):
        getattr(case, door)(replace(request, options=asking(BY_NAME)))
    with pytest.raises(Conflict):
        getattr(case, door)(replace(request, options=asking(BY_ID, find=FindOptions())))


def test_prompts_are_not_answered_with_the_whole_image_when_segmentation_is_down(case: GatewayCase) -> None:
    case.segmenter.error = Unavailable("down")

    with pytest.raises(Unavailable):
        case.recognize(task(options=asking(BY_NAME)))


def test_what_corrects_a_found_region_is_an_exemplar_that_no_prompt_found(case: GatewayCase) -> None:
    case.segmenter.found = (FOUND,)
    record = case.recognize(task(options=asking(BY_NAME, BY_ID)))

    case.correct("default", record.envelope.recognition_id, region_id="0", label="owl")

    taught = case.teacher.changes[0].exemplar
    assert taught is not None
    assert taught.region == replace(FOUND, found_by=None)
