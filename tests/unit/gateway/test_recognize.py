"""The waiting door, over fakes."""

from __future__ import annotations

import hashlib
import struct
import zlib

import pytest

from services.gateway.domain import keys
from services.gateway.domain.collections import DEFAULT_COLLECTION, Collection
from services.gateway.domain.recognition import RecognitionState
from services.kernel.errors import Conflict, DeadlineExceeded, FoveaError, InvalidInput, NotFound, Unavailable
from services.kernel.rankings import RankingStatus
from services.kernel.vocabulary import Box, CollectionKey, RecognitionOptions, RegionOrigin
from tests.fakes.gateway import NOW_S, SHIPPED, picture, task
from tests.fakes.gateway_case import DAILY, PASSING, GatewayCase

ONE_BOX = RecognitionOptions(shapes=(Box(1.0, 1.0, 4.0, 4.0),))


def test_a_record_holds_all_that_explains_the_answer(case: GatewayCase) -> None:
    image = picture()

    record = case.recognize(task(image, options=RecognitionOptions(size=2)))

    envelope = record.envelope
    assert record.state is RecognitionState.COMPLETED
    assert envelope.image.digest == hashlib.sha256(image).hexdigest()
    assert (envelope.image.media_type, envelope.image.width_px, envelope.image.height_px) == (
        "image/png",
        8,
        6,
    )
    assert [stage.name for stage in envelope.stages] == ["segmentation", "encoding", "retrieval", "ranking"]
    assert (envelope.options.size, envelope.options.votes) == (2, SHIPPED.votes)
    assert (envelope.accepted_at_s, record.ended_at_s) == (NOW_S, NOW_S)
    (found,) = record.regions
    assert [label.label for label in found.ranking.labels] == ["wren", "robin"]
    assert found.candidates.candidates[0].label == "robin"


def test_the_record_is_stored_and_announced_and_the_image_kept(case: GatewayCase) -> None:
    record = case.recognize(task(recognition_id="r1"))

    assert case.recognitions.find("default", "r1") == record
    assert case.announcer.completions == [record]
    assert list(case.images.kept) == [keys.image(DEFAULT_COLLECTION, record.envelope.image.digest)]


def test_the_same_request_again_gives_the_stored_record_without_any_step(case: GatewayCase) -> None:
    first = case.recognize(task(recognition_id="r1"))

    again = case.recognize(task(recognition_id="r1"))

    assert again is first
    assert case.encoder.calls == 1


@pytest.mark.parametrize(
    "other",
    [
        task(picture("blue"), recognition_id="r1"),
        task(recognition_id="r1", options=RecognitionOptions(size=1)),
        task(recognition_id="r1", collection=PASSING),
    ],
)
def test_an_id_that_was_used_for_another_request_is_refused(case: GatewayCase, other: object) -> None:
    case.recognize(task(recognition_id="r1"))

    with pytest.raises(Conflict) as refused:
        case.recognize(other)  # type: ignore[arg-type]  # a task, as above

    assert (refused.value.field, refused.value.reason) == ("recognition_id", "RECOGNITION_ID_REUSED")
    assert case.encoder.calls == 1


def test_of_two_calls_at_a_time_both_answer_with_the_record_of_the_first(case: GatewayCase) -> None:
    def another_is_first() -> None:
        case.ranker.before = lambda: None
        case.recognize(task(recognition_id="r1"))

    case.ranker.before = another_is_first

    record = case.recognize(task(recognition_id="r1"))

    assert record is case.recognitions.find("default", "r1")
    assert case.announcer.completions == [record, record]


def test_of_two_different_requests_at_a_time_under_one_id_the_second_is_refused(case: GatewayCase) -> None:
    def another_is_first() -> None:
        case.ranker.before = lambda: None
        case.recognize(task(picture("blue"), recognition_id="r1"))

    case.ranker.before = another_is_first

    with pytest.raises(Conflict):
        case.recognize(task(recognition_id="r1"))


def test_calls_without_an_id_get_different_ones(case: GatewayCase) -> None:
    ids = {case.recognize(task()).envelope.recognition_id for _ in range(3)}

    assert len(ids) == 3


def test_without_segmentation_the_whole_image_is_taken_and_the_record_says_so(case: GatewayCase) -> None:
    case.segmenter.error = Unavailable("down")

    record = case.recognize(task())

    (found,) = record.regions
    assert found.region.origin is RegionOrigin.WHOLE_IMAGE
    assert found.region.box == Box(0.0, 0.0, 8.0, 6.0)
    assert record.envelope.stages[0].rungs == ("whole_image",)


def test_without_segmentation_a_named_region_is_not_replaced(case: GatewayCase) -> None:
    case.segmenter.error = Unavailable("down")

    with pytest.raises(Unavailable):
        case.recognize(task(options=ONE_BOX))


def test_without_ranking_the_retrieval_order_stands_and_the_record_says_so(case: GatewayCase) -> None:
    case.ranker.error = Unavailable("down")

    record = case.recognize(task())

    (found,) = record.regions
    assert [label.label for label in found.ranking.labels] == ["robin", "wren"]
    assert (found.ranking.status, found.ranking.rung) == (RankingStatus.DEGRADED, "ranking_unavailable")
    assert record.envelope.stages[3].rungs == ("ranking_unavailable",)
    assert record.envelope.stages[3].version == "9"


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), InvalidInput("damaged", field="image")])
def test_a_ranker_that_answers_with_another_error_is_not_replaced(
    case: GatewayCase, error: FoveaError
) -> None:
    case.ranker.error = error

    with pytest.raises(type(error)):
        case.recognize(task())


def test_after_a_failed_call_a_retry_succeeds(case: GatewayCase) -> None:
    case.encoder.error = Unavailable("down")
    with pytest.raises(Unavailable):
        case.recognize(task(recognition_id="r1"))
    assert case.recognitions.kept == {}
    case.encoder.error = None

    assert case.recognize(task(recognition_id="r1")).state is RecognitionState.COMPLETED


def test_a_record_that_could_not_be_announced_is_announced_by_the_retry(case: GatewayCase) -> None:
    case.announcer.error = Unavailable("down")
    with pytest.raises(Unavailable):
        case.recognize(task(recognition_id="r1"))
    case.announcer.error = None

    record = case.recognize(task(recognition_id="r1"))

    assert case.announcer.completions == [record]


@pytest.mark.parametrize("error", [None, Unavailable("down")])
def test_without_retention_the_image_is_there_for_the_steps_and_gone_in_the_end(
    case: GatewayCase, error: Exception | None
) -> None:
    seen: list[str] = []
    case.encoder.before = lambda: seen.extend(case.images.kept)
    case.encoder.error = error

    try:
        case.recognize(task(collection=PASSING))
    except Unavailable:
        assert error is not None

    assert len(seen) == 1
    assert keys.is_passing(seen[0])
    assert case.images.kept == {}


def test_where_days_count_an_image_that_comes_again_is_young_again(case: GatewayCase) -> None:
    record = case.recognize(task(collection=DAILY))
    case.images.now_s += 1_000

    case.recognize(task(collection=DAILY))

    assert case.images.kept[record.envelope.image.key][1] == NOW_S + 1_000


def test_the_settings_of_the_collection_are_stamped_into_the_record(case: GatewayCase) -> None:
    key = CollectionKey("default", "strict")
    case.collections.change(Collection(key, trust_threshold=0.95))

    record = case.recognize(task(collection=key))

    assert record.envelope.options.trust_threshold == 0.95


def test_an_unknown_collection_is_named_with_what_makes_one(case: GatewayCase) -> None:
    with pytest.raises(NotFound, match="`fovea collections create birds --tenant acme`"):
        case.recognize(task(collection=CollectionKey("acme", "birds")))


def _header(width: int, height: int) -> bytes:
    """Return a PNG that claims to be of this size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    length, crc = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + length + chunk + crc


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"", "IMAGE_EMPTY"),
        (b"I am no picture", "IMAGE_FORMAT_UNKNOWN"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "IMAGE_FORMAT_UNSUPPORTED"),
        (_header(50_000, 50_000), "IMAGE_TOO_MANY_PIXELS"),
    ],
)
def test_what_is_no_picture_is_refused_before_anything_is_stored(
    case: GatewayCase, image: bytes, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        case.recognize(task(image))

    assert (refused.value.field, refused.value.reason) == ("image", reason)
    assert case.images.kept == {}
    assert case.segmenter.calls == 0
