"""Making, changing, deleting and sweeping collections, over fakes."""

from __future__ import annotations

import pytest

from services.gateway.domain import keys
from services.gateway.domain.collections import (
    DAY_S,
    DEFAULT_COLLECTION,
    Collection,
    Retention,
    RetentionPolicy,
)
from services.gateway.domain.teaching import ExemplarQuery
from services.gateway.usecases.collections import (
    ExportExemplars,
    ListExemplars,
    ListLabels,
    SweepImages,
)
from services.kernel.errors import Conflict, InvalidInput, NotFound
from services.kernel.vocabulary import CollectionKey, Exemplar, ExemplarKind
from tests.fakes.gateway import NOW_S
from tests.fakes.gateway_case import DAILY, PASSING, GatewayCase

BIRDS = CollectionKey("acme", "birds")


def test_a_collection_is_made_changed_listed_and_deleted(case: GatewayCase) -> None:
    cases = case.collection_cases()
    cases.create(Collection(BIRDS))
    cases.update(Collection(BIRDS, description="of Europe"))

    assert cases.get(BIRDS).description == "of Europe"
    assert [each.key for each in cases.list("acme")] == [BIRDS]

    cases.delete(BIRDS)

    with pytest.raises(NotFound):
        cases.get(BIRDS)


def test_a_collection_is_made_once(case: GatewayCase) -> None:
    cases = case.collection_cases()
    cases.create(Collection(BIRDS, description="first"))

    with pytest.raises(Conflict) as refused:
        cases.create(Collection(BIRDS, description="second"))

    assert refused.value.reason == "COLLECTION_EXISTS"
    assert cases.get(BIRDS).description == "first"


def test_settings_that_make_no_sense_change_nothing(case: GatewayCase) -> None:
    cases = case.collection_cases()
    wrong = Collection(BIRDS, retention=Retention(RetentionPolicy.DAYS, 0))

    with pytest.raises(InvalidInput):
        cases.create(wrong)
    assert BIRDS not in case.collections.kept


def test_what_does_not_exist_is_neither_changed_nor_deleted(case: GatewayCase) -> None:
    cases = case.collection_cases()

    with pytest.raises(NotFound):
        cases.update(Collection(BIRDS))
    with pytest.raises(NotFound):
        cases.delete(BIRDS)


def test_the_default_collection_cannot_be_deleted(case: GatewayCase) -> None:
    with pytest.raises(Conflict, match="always exists"):
        case.collection_cases().delete(DEFAULT_COLLECTION)


def test_deleting_forgets_every_exemplar_and_every_image_of_the_collection_alone(case: GatewayCase) -> None:
    case.collection_cases().create(Collection(BIRDS))
    labels = ("robin", "robin", "wren")
    case.retriever.exemplars += [Exemplar(str(i), each, ExemplarKind.NAME) for i, each in enumerate(labels)]
    other = keys.image(CollectionKey("acme", "birds2"), "d")
    for key in (keys.image(BIRDS, "d"), keys.passing_image(BIRDS, "x", "d"), other):
        case.images.store(key, b"")

    forgotten = case.collection_cases().delete(BIRDS)

    assert forgotten == 3
    assert case.retriever.exemplars == []
    assert list(case.images.kept) == [other]


def test_nothing_is_listed_of_an_unknown_collection(case: GatewayCase) -> None:
    with pytest.raises(NotFound):
        ListExemplars(case.collections, case.retriever)(ExemplarQuery(BIRDS))
    with pytest.raises(NotFound):
        ExportExemplars(case.collections, case.retriever)(BIRDS, min_memory_version="")
    with pytest.raises(NotFound):
        ListLabels(case.collections, case.retriever)(BIRDS, min_memory_version="")

    assert case.retriever.calls == 0


def _sweep(case: GatewayCase, later_s: float) -> int:
    sweep = SweepImages(case.collections, case.images, clock=lambda: NOW_S + later_s, passing_s=DAY_S / 2)
    return sweep()


def test_images_go_when_their_days_are_over_and_not_before(case: GatewayCase) -> None:
    case.images.store(keys.image(DAILY, "d"), b"")
    case.images.store(keys.image(DEFAULT_COLLECTION, "d"), b"")

    assert _sweep(case, DAY_S) == 0
    assert _sweep(case, DAY_S + 1) == 1
    assert list(case.images.kept) == [keys.image(DEFAULT_COLLECTION, "d")]


def test_a_passing_image_that_a_crash_left_goes_in_the_end(case: GatewayCase) -> None:
    case.images.store(keys.passing_image(PASSING, "r1", "d"), b"")

    assert _sweep(case, DAY_S / 2) == 0
    assert _sweep(case, DAY_S) == 1


def test_images_from_before_the_policy_became_none_go_as_well(case: GatewayCase) -> None:
    case.images.store(keys.image(PASSING, "d"), b"")

    assert _sweep(case, DAY_S) == 1
