"""Choosing thresholds on a collection's own exemplars, over fakes."""

# ruff: noqa: ARG002  (a fake need not look at everything)
from __future__ import annotations

import pytest

from services.gateway.codec.calibration import read_calibration, write_calibration
from services.gateway.codec.collections import read_collection, write_collection
from services.gateway.domain import calibration
from services.gateway.domain.calibration import Calibration, Outcome, Wish
from services.gateway.domain.collections import DEFAULT_COLLECTION, Collection
from services.gateway.domain.options import asks_the_same, effective_options
from services.gateway.ports import Ordering, Recollection
from services.gateway.usecases.calibrate import Progress
from services.kernel.errors import Conflict, DeadlineExceeded, InvalidInput, NotFound, Unavailable
from services.kernel.rankings import Candidate, Candidates, RankedLabel, Ranking, RankingStatus
from services.kernel.vocabulary import (
    CollectionKey,
    Exemplar,
    ExemplarKind,
    ImageReference,
    RecognitionOptions,
    Stage,
)
from services.runtime import deadline
from tests.fakes.gateway import NOW_S, SHIPPED
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.gateway_steps import FakeRanker, FakeRetriever

COUNT = 60


def exemplar(number: int, *, label: str = "") -> Exemplar:
    image = ImageReference(f"{number:064x}", f"images/{number}", "image/png", 9, 8, 6)
    return Exemplar(f"e{number:03d}", label or f"label {number % 3}", ExemplarKind.IMAGE, image=image)


class LeavingOut(FakeRetriever):
    """Is unsure of every fourth exemplar, whose first candidate is wrong then; the more unknown the higher
    its number."""

    def __init__(self) -> None:
        super().__init__([exemplar(i) for i in range(COUNT)])
        self.options: list[RecognitionOptions] = []

    def recall(self, collection: CollectionKey, regions: object, options: RecognitionOptions) -> Recollection:
        self.enter()
        self.options.append(options)
        number = int(options.exclude_exemplar_ids[0][1:])
        right, unsure = f"label {number % 3}", number % 4 == 0
        labels = ("wrong", right) if unsure else (right, "wrong")
        found = Candidates(
            "0",
            tuple(Candidate(label, score, ()) for label, score in zip(labels, (0.6, 0.4), strict=True)),
            margin=0.2 if unsure else 0.6,
            entropy=0.5,
            unknown_score=number / 100,
            votes=(),
        )
        return Recollection((found,), Stage("retrieval", "1"))


class KnowingBetter(FakeRanker):
    """Puts the right label first; or is not there."""

    def __init__(self, *, rung: str = "") -> None:
        super().__init__()
        self.rung = rung

    def rank(
        self, image: ImageReference, regions: object, candidates: object, options: RecognitionOptions
    ) -> Ordering:
        self.enter()
        assert isinstance(candidates, tuple)
        labels = sorted((each.label for each in candidates[0].candidates), key=lambda name: name == "wrong")
        status = RankingStatus.DEGRADED if self.rung else RankingStatus.RANKED
        ranking = Ranking("0", tuple(RankedLabel(each, 0.4) for each in labels), 0.2, status, rung=self.rung)
        return Ordering((ranking,), Stage("ranking", "1", () if self.rung else ("ranker@1",)))


@pytest.fixture
def case() -> GatewayCase:
    case = GatewayCase()
    case.retriever = LeavingOut()
    case.ranker = KnowingBetter()
    return case


def run(case: GatewayCase, wish: Wish | None = None) -> list[Progress]:
    return list(case.collection_cases().calibrate(DEFAULT_COLLECTION, wish or Wish()))


def chosen(case: GatewayCase, wish: Wish | None = None) -> Calibration:
    found = run(case, wish)[-1].calibration
    assert found is not None
    return found


def test_each_exemplar_is_asked_about_with_itself_left_out_and_the_gates_held_open(case: GatewayCase) -> None:
    steps = run(case)

    assert isinstance(case.retriever, LeavingOut)
    asked = case.retriever.options
    assert sorted(each.exclude_exemplar_ids for each in asked) == [(f"e{i:03d}",) for i in range(COUNT)]
    assert {(each.trust_threshold, each.unknown_threshold, each.size) for each in asked} == {(1.0, 1.0, 5)}
    assert all(each.min_memory_version for each in asked)
    assert [(each.done, each.all) for each in steps] == [(i, COUNT) for i in (*range(COUNT), COUNT)]


def test_the_thresholds_hold_what_is_stated(case: GatewayCase) -> None:
    found = chosen(case, Wish(error_rate=0.1))

    assert found.refused <= 0.1
    assert found.unknown_threshold == 0.54  # the 55th of 60: ceil(61 * 0.9)
    assert found.trust_threshold == 0.6
    assert (found.asked, found.accuracy) == (0.25, 1.0)
    assert (found.retrieval_accuracy, found.ranking_accuracy) == (0.75, 1.0)
    assert (found.exemplars, found.error_rate, found.models) == (60, 0.1, ("ranker@1",))
    assert (found.calibrated_at_s, found.reason) == (NOW_S, "")
    assert found.memory_version


def test_they_are_kept_with_the_collection_and_in_force_from_then_on(case: GatewayCase) -> None:
    found = chosen(case)

    kept = case.collection_cases().get(DEFAULT_COLLECTION)
    options = effective_options(RecognitionOptions(), kept, SHIPPED)
    assert kept.calibration == found
    assert options.unknown_threshold == found.unknown_threshold
    assert options.trust_threshold == found.trust_threshold
    assert options.calibrated_gates == ("trust", "unknown")
    assert asks_the_same(RecognitionOptions(), options, SHIPPED)


def test_what_somebody_says_wins_and_is_not_calibrated(case: GatewayCase) -> None:
    found = chosen(case)
    said = Collection(DEFAULT_COLLECTION, unknown_threshold=0.9, calibration=found)

    of_collection = effective_options(RecognitionOptions(), said, SHIPPED)
    of_caller = effective_options(
        RecognitionOptions(trust_threshold=0.1, calibrated_gates=("trust",)), said, SHIPPED
    )

    assert (of_collection.unknown_threshold, of_collection.calibrated_gates) == (0.9, ("trust",))
    assert (of_caller.trust_threshold, of_caller.calibrated_gates) == (0.1, ())


def test_a_dry_run_changes_nothing(case: GatewayCase) -> None:
    chosen(case, Wish(dry_run=True))

    assert case.collection_cases().get(DEFAULT_COLLECTION).calibration is None


def test_new_settings_leave_it_as_it_is(case: GatewayCase) -> None:
    found = chosen(case)

    case.collection_cases().update(Collection(DEFAULT_COLLECTION, description="new"))

    assert case.collection_cases().get(DEFAULT_COLLECTION).calibration == found


def test_a_seed_decides_who_is_asked(case: GatewayCase) -> None:
    def asked(seed: int) -> list[str]:
        retriever = LeavingOut()
        case.retriever = retriever
        run(case, Wish(error_rate=0.1, exemplars=20, seed=seed))
        return [each.exclude_exemplar_ids[0] for each in retriever.options]

    assert asked(1) == asked(1) != asked(2)
    assert len(asked(1)) == 20


@pytest.mark.parametrize("rung", ["no_ranker", "ranker_unavailable"])
def test_without_a_model_only_unknown_is_calibrated(case: GatewayCase, rung: str) -> None:
    case.ranker = KnowingBetter(rung=rung)

    found = chosen(case)

    assert found.trust_threshold is None
    assert found.reason == "no model ordered candidates"
    assert (found.retrieval_accuracy, found.models) == (0.75, ())
    options = effective_options(
        RecognitionOptions(), case.collection_cases().get(DEFAULT_COLLECTION), SHIPPED
    )
    assert options.calibrated_gates == ("unknown",)
    assert options.trust_threshold == SHIPPED.trust_threshold


def test_too_few_exemplars_are_told_how_many_it_takes(case: GatewayCase) -> None:
    case.retriever.exemplars = [exemplar(i) for i in range(12)]

    with pytest.raises(Conflict, match="takes at least 19") as refused:
        run(case)

    assert refused.value.reason == "TOO_FEW_EXEMPLARS"
    assert "12 pictures" in refused.value.message
    assert run(case, Wish(error_rate=0.1))[-1].calibration is not None


def test_an_exemplar_that_is_the_only_one_of_its_label_is_not_asked_about(case: GatewayCase) -> None:
    lonely = exemplar(99, label="lonely")

    asked = calibration.questions([*case.retriever.exemplars, lonely], Wish())

    assert "e099" not in {each.exemplar.exemplar_id for each in asked}


def test_copies_of_a_picture_are_left_out_as_well() -> None:
    twin = exemplar(1)
    copy = Exemplar("copy", "other", ExemplarKind.IMAGE, image=twin.image)

    asked = calibration.questions([twin, copy, exemplar(4)], Wish())

    assert {each.exemplar.exemplar_id: each.left_out for each in asked} == {
        "e001": ("e001", "copy"),
        "e004": ("e004",),
    }


def test_a_picture_that_is_gone_is_passed_over(case: GatewayCase) -> None:
    class Forgetful(LeavingOut):
        def recall(
            self, collection: CollectionKey, regions: object, options: RecognitionOptions
        ) -> Recollection:
            if options.exclude_exemplar_ids[0] == "e007":
                raise NotFound("gone")
            return super().recall(collection, regions, options)

    case.retriever = Forgetful()

    assert chosen(case).exemplars == COUNT - 1


@pytest.mark.parametrize("wish", [Wish(error_rate=0.0), Wish(error_rate=1.0), Wish(exemplars=5)])
def test_a_wish_that_nothing_can_meet_is_refused(case: GatewayCase, wish: Wish) -> None:
    with pytest.raises(InvalidInput):
        run(case, wish)


def test_what_breaks_off_changes_nothing(case: GatewayCase) -> None:
    case.ranker.error = Unavailable("down")
    with pytest.raises(Unavailable):
        run(case)
    case.ranker.error = None
    with deadline.within(0.0), pytest.raises(DeadlineExceeded):
        run(case)

    assert case.collection_cases().get(DEFAULT_COLLECTION).calibration is None


def test_it_survives_the_log(case: GatewayCase) -> None:
    found = chosen(case)
    collection = Collection(DEFAULT_COLLECTION, calibration=found)

    assert read_calibration(write_calibration(found)) == found
    assert read_collection(write_collection(collection)) == collection


def test_one_candidate_counts_as_it_stands() -> None:
    found = Candidates("0", (Candidate("a", 1.0, ()),), 1.0, 0.0, 0.1, ())
    ranking = Ranking("0", (RankedLabel("a", 0.9),), 0.1, RankingStatus.TRUSTED_RETRIEVAL)

    assert Outcome.of("a", found, ranking) == Outcome(0.1, 1.0, retrieved=True, ranked=True)
    assert Outcome.of("b", found, ranking).retrieved is False
