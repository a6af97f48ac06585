"""Teaching, forgetting and correcting, over fakes."""

from __future__ import annotations

import numpy as np
import pytest

from services.gateway.domain import keys
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.recognition import Recognition, RecognitionState
from services.gateway.domain.teaching import Change, Forgotten, Lesson
from services.kernel.errors import Conflict, InvalidInput, NotFound, Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    Box,
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    ImageReference,
    RecognitionOptions,
)
from tests.fakes.gateway import picture, task
from tests.fakes.gateway_case import PASSING, GatewayCase

IMAGE = ExemplarKind.IMAGE


def _lesson(label: str = "robin", image: bytes | None = None, **more: object) -> Lesson:
    image = picture() if image is None else image
    return Lesson(DEFAULT_COLLECTION, label, IMAGE, image=image, **more)  # type: ignore[arg-type]


def _taught(case: GatewayCase, *ids: str, label: str = "robin") -> None:
    case.retriever.exemplars += [Exemplar(each, label, ExemplarKind.NAME, text=label) for each in ids]


def test_a_picture_becomes_an_exemplar_with_its_stored_image(case: GatewayCase) -> None:
    change = case.prepare(_lesson(attributes={"year": 2001.0}))

    assert change.exemplar is not None
    assert change.exemplar.image is not None
    assert case.images.has(change.exemplar.image.key)
    assert (change.exemplar.label, change.exemplar.kind, change.exemplar.region) == ("robin", IMAGE, None)
    assert change.exemplar.attributes == {"year": 2001.0}


def test_the_same_lesson_twice_is_one_exemplar(case: GatewayCase) -> None:
    assert case.prepare(_lesson()) == case.prepare(_lesson())
    assert case.prepare(_lesson()).exemplar_id != case.prepare(_lesson("wren")).exemplar_id


def test_an_id_of_the_callers_own_is_kept(case: GatewayCase) -> None:
    assert case.prepare(_lesson(exemplar_id="mine")).exemplar_id == "mine"


def test_a_name_is_taught_without_any_picture(case: GatewayCase) -> None:
    change = case.prepare(Lesson(DEFAULT_COLLECTION, "robin", ExemplarKind.NAME, text="European robin"))

    assert change.exemplar == Exemplar(change.exemplar_id, "robin", ExemplarKind.NAME, text="European robin")
    assert case.images.kept == {}


def test_a_shape_becomes_the_region_of_the_exemplar(case: GatewayCase) -> None:
    box = Box(1.0, 1.0, 3.0, 3.0)

    change = case.prepare(_lesson(shape=box))

    assert change.exemplar is not None
    assert change.exemplar.region is not None
    assert change.exemplar.region.box == box
    assert change.exemplar_id != case.prepare(_lesson()).exemplar_id


def test_a_wrong_shape_is_named_as_the_caller_knows_it_and_nothing_is_stored(case: GatewayCase) -> None:
    case.segmenter.error = InvalidInput("outside the image", field="options.shapes[0].box", reason="OUTSIDE")

    with pytest.raises(InvalidInput) as refused:
        case.prepare(_lesson(shape=Box(90.0, 90.0, 99.0, 99.0)))

    assert (refused.value.field, refused.value.reason) == ("shape.box", "OUTSIDE")
    assert case.images.kept == {}


def test_a_shape_without_a_picture_is_refused(case: GatewayCase) -> None:
    lesson = Lesson(
        DEFAULT_COLLECTION, "robin", ExemplarKind.NAME, text="robin", shape=Box(0.0, 0.0, 1.0, 1.0)
    )

    with pytest.raises(InvalidInput) as refused:
        case.prepare(lesson)

    assert refused.value.field == "shape"


def test_what_is_no_picture_cannot_be_taught(case: GatewayCase) -> None:
    with pytest.raises(InvalidInput) as refused:
        case.prepare(_lesson(image=b"text"))

    assert refused.value.field == "image"


def test_nothing_is_taught_to_an_unknown_collection(case: GatewayCase) -> None:
    with pytest.raises(NotFound):
        case.prepare(Lesson(CollectionKey("acme", "birds"), "robin", IMAGE, image=picture()))


def test_exemplars_are_forgotten_by_id_each_once(case: GatewayCase) -> None:
    _taught(case, "a", "b", "c")

    forgotten = case.forget(DEFAULT_COLLECTION, exemplar_ids=["a", "b", "a"])

    assert forgotten == Forgotten(2, case.teacher.memory_version())
    assert [each.exemplar_id for each in case.retriever.exemplars] == ["c"]


def test_forgetting_an_id_that_is_not_there_counts_nothing(case: GatewayCase) -> None:
    _taught(case, "a")

    forgotten = case.forget(DEFAULT_COLLECTION, exemplar_ids=["a", "nobody"])

    assert forgotten.count == 1


def test_a_label_is_forgotten_over_as_many_pages_as_it_has(case: GatewayCase) -> None:
    _taught(case, *(f"r{i:04}" for i in range(LIMITS.page_size + 1)))
    _taught(case, "w", label="wren")

    forgotten = case.forget(DEFAULT_COLLECTION, label="robin")

    assert forgotten.count == LIMITS.page_size + 1
    assert [each.exemplar_id for each in case.retriever.exemplars] == ["w"]


def test_the_ids_of_a_label_are_read_from_a_memory_that_holds_all_that_is_durable(case: GatewayCase) -> None:
    _taught(case, "a")
    before = case.teacher.memory_version()

    case.forget(DEFAULT_COLLECTION, label="robin")

    asked = [query.min_memory_version for query in case.retriever.queries]
    assert asked == [before, case.teacher.memory_version()]


def test_a_label_that_nobody_taught_is_forgotten_already(case: GatewayCase) -> None:
    assert case.forget(DEFAULT_COLLECTION, label="robin").count == 0


@pytest.mark.parametrize(
    ("ids", "label"), [((), ""), (("a",), "robin"), (("x",) * (LIMITS.forgotten_per_request + 1), "")]
)
def test_forgetting_nothing_both_or_too_much_is_refused(
    case: GatewayCase, ids: tuple[str, ...], label: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        case.forget(DEFAULT_COLLECTION, exemplar_ids=ids, label=label)

    assert refused.value.field == "exemplar_ids"
    assert case.teacher.changes == []


def _recognized(case: GatewayCase, **options: object) -> Recognition:
    return case.recognize(task(recognition_id="r1", **options))  # type: ignore[arg-type]


def test_a_correction_teaches_the_region_and_gives_feedback(case: GatewayCase) -> None:
    record = _recognized(case, options=RecognitionOptions(shapes=(Box(1.0, 1.0, 4.0, 4.0),)))

    exemplar_id, version = case.correct("default", "r1", region_id="0", label="dunnock")

    (change,) = case.teacher.changes
    exemplar = Exemplar(
        exemplar_id, "dunnock", IMAGE, image=record.envelope.image, region=record.regions[0].region
    )
    assert change == Change(DEFAULT_COLLECTION, exemplar_id, exemplar)
    assert version == case.teacher.memory_version()
    (feedback,) = case.announcer.corrections
    assert (feedback.answered_label, feedback.right_label) == ("wren", "dunnock")
    assert (feedback.region_id, feedback.exemplar_id) == ("0", exemplar_id)


def test_correcting_twice_teaches_once(case: GatewayCase) -> None:
    _recognized(case)

    first, _ = case.correct("default", "r1", region_id="0", label="dunnock")
    second, _ = case.correct("default", "r1", region_id="0", label="dunnock")

    assert first == second
    assert len(case.retriever.exemplars) == 1


def test_a_correction_of_nothing_is_not_found(case: GatewayCase) -> None:
    with pytest.raises(NotFound):
        case.correct("default", "r1", region_id="0", label="dunnock")


def test_a_correction_of_a_region_that_is_not_there_says_which_are(case: GatewayCase) -> None:
    _recognized(case)

    with pytest.raises(InvalidInput, match=r"no region '7'; it has 0") as refused:
        case.correct("default", "r1", region_id="7", label="dunnock")

    assert refused.value.field == "region_id"


def test_a_failed_recognition_cannot_be_corrected(case: GatewayCase) -> None:
    envelope = case.intake(task(recognition_id="r1")).envelope
    case.recognitions.keep(Recognition(envelope, RecognitionState.FAILED))

    with pytest.raises(Conflict) as refused:
        case.correct("default", "r1", region_id="0", label="dunnock")

    assert refused.value.reason == "RECOGNITION_FAILED"


def test_an_image_that_was_not_kept_cannot_become_an_exemplar(case: GatewayCase) -> None:
    _recognized(case, collection=PASSING)

    with pytest.raises(Conflict) as refused:
        case.correct("default", "r1", region_id="0", label="dunnock")

    assert refused.value.reason == "IMAGE_GONE"
    assert case.teacher.changes == []


def test_feedback_is_given_only_when_the_exemplar_is_durable(case: GatewayCase) -> None:
    _recognized(case)
    case.teacher.errors["dunnock"] = Unavailable("down")

    with pytest.raises(Unavailable):
        case.correct("default", "r1", region_id="0", label="dunnock")

    assert case.announcer.corrections == []


def test_a_lesson_without_retention_has_a_passing_image(case: GatewayCase) -> None:
    change = case.prepare(Lesson(PASSING, "robin", IMAGE, image=picture()))

    assert change.exemplar is not None
    assert change.exemplar.image is not None
    assert keys.is_passing(change.exemplar.image.key)
    assert case.images.has(change.exemplar.image.key)


def _kept(**more: object) -> EncodedExemplar:
    vector: np.ndarray = np.eye(1, 3, dtype=np.float32)[0]
    exemplar = Exemplar(**{"exemplar_id": "e1", "label": "robin", "kind": IMAGE} | more)  # type: ignore[arg-type]
    return EncodedExemplar(exemplar, (Embedding(vector, "colours@1", "visual"),))


def _stored(key: str) -> ImageReference:
    return ImageReference("ab" * 32, key, "image/png", 9, 4, 3)


def test_an_import_becomes_a_change_with_its_embeddings(case: GatewayCase) -> None:
    kept = _kept(attributes={"sex": "male"})

    change = case.prepare_import(DEFAULT_COLLECTION, kept)

    assert change == Change(DEFAULT_COLLECTION, "e1", kept.exemplar, kept.embeddings)


def test_an_import_keeps_the_image_that_its_own_collection_has_and_no_other(case: GatewayCase) -> None:
    foreign = f"acme/images/secret/{'ab' * 32}"
    own = keys.image(DEFAULT_COLLECTION, "ab" * 32)
    case.images.store(foreign, b"not yours")
    kept = _kept(image=_stored(foreign))

    before = case.prepare_import(DEFAULT_COLLECTION, kept).exemplar
    case.images.store(own, b"ours")
    after = case.prepare_import(DEFAULT_COLLECTION, kept).exemplar

    assert (before and before.image) == _stored("")
    assert (after and after.image) == _stored(own)


def test_an_import_without_an_id_gets_one_by_label_and_embeddings(case: GatewayCase) -> None:
    one, again = (case.prepare_import(DEFAULT_COLLECTION, _kept(exemplar_id="")) for _ in range(2))
    other = case.prepare_import(DEFAULT_COLLECTION, _kept(exemplar_id="", label="wren"))

    assert one.exemplar_id == again.exemplar_id != other.exemplar_id
    assert one.exemplar is not None
    assert one.exemplar.exemplar_id == one.exemplar_id


def test_an_import_needs_embeddings_and_a_collection(case: GatewayCase) -> None:
    with pytest.raises(InvalidInput) as refused:
        case.prepare_import(DEFAULT_COLLECTION, EncodedExemplar(_kept().exemplar, ()))
    with pytest.raises(NotFound):
        case.prepare_import(CollectionKey("acme", "nowhere"), _kept())

    assert (refused.value.field, refused.value.reason) == ("exemplar.embeddings", "EMBEDDINGS_MISSING")
