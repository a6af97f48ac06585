from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)
from services.kernel.judgements import Parsed, Reading
from services.kernel.vocabulary import (
    Ancestor,
    Box,
    BroaderLabel,
    Candidate,
    Candidates,
    ExemplarKind,
    ImageReference,
    Neighbour,
    Ranking,
    RankingStatus,
    RecognitionOptions,
    Region,
)
from services.ranking.domain import ladder
from services.ranking.domain.asking import Effort, Evidence, Judgement, Mode, Question, Terms
from services.ranking.domain.ladder import Rung
from services.ranking.usecases import Rank, Ranked
from services.runtime import deadline
from tests.fakes.asking import EASY, IMAGE, PICTURE, DictImages, desk, found, rank, region
from tests.fakes.rankers import FakeRanker, judgement
from tests.fakes.ranking import RecordingMonitor, candidates

NO_OPTIONS = RecognitionOptions()
HALVES = np.log([0.5, 0.5])


def asked(case: Rank, *each: Candidates, image: ImageReference | None = IMAGE) -> Ranked:
    regions = [region(int(one.region_id)) for one in each]
    return case(each, NO_OPTIONS, image=image, regions=regions)


def one(case: Rank, *each: Candidates) -> Ranking:
    (ranking,) = asked(case, *(each or (found(),))).rankings
    return ranking


def names(ranking: Ranking) -> list[str]:
    return [each.label for each in ranking.labels]


def test_a_model_orders_what_the_gates_leave_open() -> None:
    ranker = FakeRanker()

    ranking = one(rank(ranker))

    ((question,), effort) = ranker.asked[0]
    assert names(ranking) == ["label 0", "label 1", "label 2"]  # 4:2:1 against 1:2:4, so all are equal
    assert [round(each.probability, 6) for each in ranking.labels] == [0.3] * 3
    assert (ranking.status, ranking.rung) == (RankingStatus.RANKED, "")
    assert question.labels == ("label 0", "label 1", "label 2")
    assert (question.region, question.picture.shape) == (region(), (48, 64, 3))
    assert (effort.mode, effort.orders) == (Mode.LETTERS, 1)


def test_the_order_is_the_models_where_it_is_sure() -> None:
    sure = FakeRanker(answer=lambda *_: judgement(np.log([0.01, 0.01, 0.98])))

    ranking = one(rank(sure))

    assert names(ranking) == ["label 2", "label 0", "label 1"]
    assert sum(each.probability for each in ranking.labels) + ranking.probability_unknown == pytest.approx(1)
    assert ranking.probability_unknown == 0.1


def test_what_the_gates_decide_is_not_asked() -> None:
    ranker = FakeRanker()
    clear, strange = found(margin=EASY), found(1, unknown=0.9)

    ranked = asked(rank(ranker), clear, strange, candidates(region_id="2", unknown=1.0))

    assert [each.status for each in ranked.rankings] == [
        RankingStatus.TRUSTED_RETRIEVAL,
        RankingStatus.UNKNOWN,
        RankingStatus.UNKNOWN,
    ]
    assert ranker.asked == []
    assert ranked.stage.models == ()


def test_the_record_says_how_the_model_took_part() -> None:
    monitor = RecordingMonitor()
    at = desk(Effort(Mode.LETTERS, 2))

    ranked = asked(rank(FakeRanker(), at=at, monitor=monitor), found())

    judged = ranked.rankings[0].judged
    assert judged is not None
    assert judged.models == ranked.stage.models == ("fake-ranker@0",)
    assert (judged.template, judged.mode, judged.candidates, judged.orders) == ("letters@1", "letters", 3, 2)
    assert [(each.source, each.weight) for each in judged.evidence] == [("retrieval", 1.0), ("letters", 1.0)]
    assert np.exp(judged.evidence[0].log_probabilities) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert len(judged.readings) == 2
    assert (judged.tokens, judged.cached) == (100, False)
    assert monitor.costs == [(100, 0.0)]


def test_all_regions_of_an_image_are_asked_about_together_the_least_sure_first() -> None:
    ranker = FakeRanker()

    asked(rank(ranker), found(0, margin=0.5), found(1, margin=0.1), found(2, margin=EASY))

    ((questions, _),) = ranker.asked
    assert [each.region.region_id for each in questions] == ["1", "0"]


def test_an_answer_is_kept_by_what_was_asked() -> None:
    ranker, case = FakeRanker(), None
    case = rank(ranker)

    first, second = one(case), one(case)
    asked(case, found(1))  # another region
    asked(case, found(labels=4))  # other candidates

    assert len(ranker.asked) == 3
    assert first.judged is not None
    assert second == replace(first, judged=replace(first.judged, cached=True))


def test_descriptions_are_a_part_of_what_was_asked() -> None:
    ranker = FakeRanker()
    case = rank(ranker)
    plain = found()
    told = replace(
        plain, candidates=tuple(replace(each, descriptions=("red", "round")) for each in plain.candidates)
    )

    one(case, plain), one(case, told)

    assert [each[0][0].descriptions for each in ranker.asked] == [("", "", ""), ("red; round",) * 3]


def test_a_ranker_that_compares_is_given_the_nearest_pictures_of_each_candidate() -> None:
    ranker = FakeRanker(on_terms=Terms(exemplars_per_label=2))
    image_key = f"acme/images/birds/{IMAGE.digest}"
    near = Neighbour("a", ExemplarKind.IMAGE, "visual", 0.9, 0.3, image_key, Box(0.0, 0.0, 4.0, 4.0))
    text = Neighbour("b", ExemplarKind.NAME, "name", 0.8, 0.3)
    others = tuple(
        Neighbour(f"c{i}", ExemplarKind.IMAGE, "visual", 0.7, 0.1, f"{image_key}{i}") for i in range(3)
    )
    first, *rest = found().candidates
    seen = replace(first, neighbours=(near, text, near, *others))
    pictured = replace(found(), candidates=(seen, *rest))

    one(rank(ranker, images=DictImages({IMAGE.key: PICTURE, image_key: PICTURE})), pictured)

    shown = ranker.asked[0][0][0].exemplars
    assert [[(each.key, each.box) for each in some] for some in shown] == [
        [(image_key, near.box), (f"{image_key}0", None)],
        [("k", None)],
        [("k", None)],
    ]
    assert shown[0][0].pixels().shape == (48, 64, 3)
    with pytest.raises(NotFound):
        shown[0][1].pixels()


def test_two_callers_of_one_image_ask_once() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slowly(question: Question, effort: Effort) -> Judgement:
        entered.set()
        assert leave.wait(5)
        return judgement(np.log(np.full(len(question.labels), 1 / 3)), orders=effort.orders)

    ranker = FakeRanker(answer=slowly)
    case = rank(ranker)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(one, case) for _ in range(2)]
        assert entered.wait(5)
        leave.set()
        rankings = [each.result() for each in both]

    assert len(ranker.asked) == 1
    assert sorted(each.judged.cached for each in rankings if each.judged) == [False, True]


ERRORS = [
    (Unavailable("down"), ladder.RANKER_UNAVAILABLE),
    (Overloaded("busy"), ladder.RANKER_UNAVAILABLE),
    (DeadlineExceeded("late"), ladder.RANKER_LATE),
    (FoveaError("broken"), ladder.RANKER_FAILED),
    (InvalidInput("outside", reason="REGION_INVALID"), ladder.NO_REGION),
    (RuntimeError("a bug"), ladder.RANKER_FAILED),
]


@pytest.mark.parametrize(("error", "rung"), ERRORS)
def test_what_a_ranker_raises_leaves_retrievals_order_with_the_reason(error: Exception, rung: Rung) -> None:
    ranking = one(rank(FakeRanker(raises=error)))

    assert (ranking.status, ranking.rung, ranking.judged) == (RankingStatus.DEGRADED, rung.name, None)
    assert names(ranking) == ["label 0", "label 1", "label 2"]


@pytest.mark.parametrize(("error", "rung"), [each for each in ERRORS if isinstance(each[0], FoveaError)])
def test_what_befell_one_region_alone_is_told_of_it_alone(error: FoveaError, rung: Rung) -> None:
    def answer(question: Question, _: Effort) -> Judgement | FoveaError:
        return error if question.region.region_id == "1" else judgement(np.log([0.1, 0.1, 0.8]))

    ranked = asked(rank(FakeRanker(answer=answer)), found(), found(1))

    assert [(each.status, each.rung) for each in ranked.rankings] == [
        (RankingStatus.RANKED, ""),
        (RankingStatus.DEGRADED, rung.name),
    ]
    assert ranked.stage.rungs == (rung.name,)


def test_an_answer_that_is_none_is_not_kept_and_asked_for_again() -> None:
    answers = iter([judgement([np.nan] * 3), judgement(np.log([0.1, 0.1, 0.8]))])
    case = rank(FakeRanker(answer=lambda *_: next(answers)))

    assert [one(case).rung, one(case).rung] == ["ranker_failed", ""]


def test_fewer_orders_than_wanted_are_told_and_not_kept() -> None:
    ranker = FakeRanker(answer=lambda *_: judgement(np.log([0.1, 0.1, 0.8]), orders=1))
    case = rank(ranker, at=desk(Effort(Mode.LETTERS, 4)))

    first, second = one(case), one(case)

    assert (first.status, first.rung) == (RankingStatus.RANKED, "less_effort")
    assert first.judged is not None
    assert (first.judged.orders, len(first.judged.readings)) == (4, 1)
    assert second == first
    assert len(ranker.asked) == 2


def test_a_judgement_that_lacks_pictures_is_told_and_not_kept() -> None:
    ranker = FakeRanker(answer=lambda *_: replace(judgement(np.log([0.1, 0.1, 0.8])), whole=False))
    case = rank(ranker)

    assert [one(case).rung, one(case).rung] == ["less_effort", "less_effort"]
    assert len(ranker.asked) == 2


def test_the_level_is_that_of_the_label_that_the_model_puts_first() -> None:
    sure = FakeRanker(answer=lambda *_: judgement(np.log([0.02, 0.98])))
    unsure = FakeRanker(answer=lambda *_: judgement(np.log([0.5, 0.5])))
    ferns = (Ancestor("fern", 1.0),)
    pair = candidates(("tree fern", 0.5), ("bracken", 0.5), margin=0.0)
    pair = replace(pair, candidates=tuple(replace(each, ancestors=ferns) for each in pair.candidates))
    options = RecognitionOptions(level_threshold=0.9)

    one_of_them = rank(sure)([pair], options, image=IMAGE, regions=[region()]).rankings[0]
    either = rank(unsure)([pair], options, image=IMAGE, regions=[region()]).rankings[0]

    assert (names(one_of_them)[0], one_of_them.broader) == ("bracken", None)
    assert either.broader == BroaderLabel("fern", 1.0, steps=1)
    level = {gate.name: gate for gate in one_of_them.gates}["level"]
    assert level.value == pytest.approx(0.98)


def test_a_text_that_named_nothing_leaves_retrievals_order_and_stands_in_the_record() -> None:
    said = replace(
        judgement(np.log([0.5, 0.3, 0.2]), source="generated"),
        parsed=Parsed.FALLBACK,
        readings=(Reading((0, 1, 2), text="I am sorry"),),
    )

    ranking = one(rank(FakeRanker(answer=lambda *_: said)))

    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "ranker_failed")
    assert ranking.judged is not None
    assert ranking.judged.readings[0].text == "I am sorry"


@pytest.mark.parametrize("left_s", [0.001, 0.0])
def test_a_millisecond_gives_retrievals_order_with_the_reason(left_s: float) -> None:
    ranker = FakeRanker()
    case = rank(ranker)

    with deadline.within(left_s):
        ranking = one(case)

    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "ranker_late")
    assert ranker.asked == []


def test_time_for_some_regions_goes_to_those_that_are_least_sure() -> None:
    ranker = FakeRanker(on_terms=Terms(call_s=0.0, token_s=0.001))  # 0.05 s a region and more
    case = rank(ranker, at=desk(budget_s=0.12))

    ranked = asked(case, found(0, margin=0.3), found(1, margin=0.1), found(2, margin=0.2))

    assert [each.rung for each in ranked.rankings] == ["ranker_late", "less_effort", "less_effort"]


def test_a_ranker_has_no_more_time_than_its_budget() -> None:
    left: list[float | None] = []

    def answer(*_: object) -> Judgement:
        left.append(deadline.remaining_s())
        return judgement(HALVES)

    case = rank(FakeRanker(answer=answer), at=desk(budget_s=0.7))
    with deadline.within(60.0):
        one(case, found(labels=2))
    with deadline.within(0.5):
        one(case, found(1, labels=2))

    assert left[0] is not None
    assert left[1] is not None
    assert 0.5 < left[0] <= 0.7
    assert 0.3 < left[1] <= 0.48


@pytest.mark.parametrize(
    ("labels", "shown", "rung"),
    [(2, 2, ""), (26, 26, ""), (27, 26, "too_many_candidates"), (1000, 26, "too_many_candidates")],
)
def test_as_many_candidates_as_there_are_letters_are_shown(labels: int, shown: int, rung: str) -> None:
    ranker = FakeRanker(
        answer=lambda question, _: judgement(np.log(np.eye(len(question.labels))[-1] + 1e-30))
    )
    many = found(labels=min(labels, 60))
    if labels > 60:
        rest = tuple(Candidate(f"rest {i}", 0.0, ()) for i in range(labels - 60))
        many = replace(many, candidates=many.candidates + rest)

    ranking = one(rank(ranker), many)

    assert len(ranker.asked[0][0][0].labels) == shown
    assert sorted(names(ranking)) == sorted(each.label for each in many.candidates)
    assert (ranking.status, ranking.rung) == (RankingStatus.RANKED, rung)


def test_one_candidate_is_no_question() -> None:
    ranker = FakeRanker()

    ranking = one(rank(ranker), found(labels=1))

    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "one_candidate")
    assert ranker.asked == []


def test_without_an_image_or_a_region_nobody_is_asked() -> None:
    ranker = FakeRanker()
    case = rank(ranker)

    no_image = asked(case, found(), image=None).rankings[0]
    no_region = case([found()], NO_OPTIONS, image=IMAGE).rankings[0]
    gone = asked(rank(ranker, images=DictImages({})), found()).rankings[0]
    no_picture = asked(rank(ranker, images=DictImages({IMAGE.key: b"text"})), found()).rankings[0]

    assert [each.rung for each in (no_image, no_region, gone, no_picture)] == [
        "image_unavailable",
        "no_region",
        "image_unavailable",
        "image_unavailable",
    ]
    assert ranker.asked == []


def test_a_whole_picture_and_a_part_of_it_are_seen_each_in_its_own_way() -> None:
    ranker = FakeRanker()
    whole = Region("0", Box(0.0, 0.0, 64.0, 48.0), region().origin)

    rank(ranker)([found(), found(1)], NO_OPTIONS, image=IMAGE, regions=[whole, region(1)])

    boxes = {question.region.region_id: question.region.box for question in ranker.asked[0][0]}
    assert boxes == {"0": whole.box, "1": region(1).box}


@pytest.mark.parametrize(
    "label", ["", " ", "answer A", "A", "B. C", '"],', "\n<|im_end|>\n", "\x00", "貓", "a" * 200]
)
def test_any_name_is_asked_about_as_it_is(label: str) -> None:
    ranker = FakeRanker()
    hostile = candidates((label, 0.6), ("wren", 0.4), margin=0.2)

    ranking = one(rank(ranker), hostile)

    assert ranker.asked[0][0][0].labels == (label, "wren")
    assert sorted(names(ranking)) == sorted([label, "wren"])


def test_a_slow_ranker_is_left_alone_for_a_while_and_then_tried_again() -> None:
    ticks = itertools.count(step=1.0)
    ranker = FakeRanker(on_terms=Terms(call_s=0.0, token_s=0.001))
    case = rank(ranker, at=desk(budget_s=0.12, most=0), clock=lambda: next(ticks))

    rungs = [one(case).rung for _ in range(120)]

    assert rungs[:4] == ["", "ranker_late", "ranker_late", "ranker_late"]
    assert len(ranker.asked) > 1


numbers = st.one_of(
    st.floats(), st.just(float("nan")), st.just(float("inf")), st.just(-float("inf")), st.floats(-40, 0)
)


@st.composite
def anything(draw: st.DrawFn) -> object:
    """What an adversarial ranker gives back for one question."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.sampled_from([None, 3, "A", [], {}, object()]))
    if kind == 1:
        return draw(st.sampled_from([error for error, _ in ERRORS if isinstance(error, FoveaError)]))
    values = np.asarray(draw(st.lists(numbers, max_size=5)), dtype=np.float64)
    if kind == 2 and len(values):
        with np.errstate(all="ignore"):
            values = values - np.logaddexp.reduce(values)
    order = tuple(draw(st.lists(st.integers(0, 4), max_size=5)))
    return Judgement(
        evidence=tuple(
            Evidence(draw(st.sampled_from(["letters", "x", ""])), values) for _ in range(kind % 3)
        ),
        readings=(Reading(order, tuple(map(float, values))),) * draw(st.integers(0, 2)),
        models=("m@1",),
        template="t",
        prompt_digest="",
        parsed=draw(st.sampled_from(Parsed)),
        tokens=draw(st.integers(-3, 10)),
    )


class AnythingRanker(FakeRanker):
    """Gives back what it is told to, of whatever number."""

    said: Sequence[object] = ()

    def rank(
        self,
        questions: Sequence[Question],  # noqa: ARG002  (it does not care)
        effort: Effort,  # noqa: ARG002
    ) -> Sequence[Judgement | FoveaError]:
        return list(self.said)  # type: ignore[arg-type]


@given(said=st.lists(anything(), max_size=3), labels=st.lists(st.integers(0, 5), min_size=1, max_size=3))
def test_whatever_a_ranker_says_the_answer_is_a_permutation_with_probabilities(
    said: list[object], labels: list[int]
) -> None:
    ranker = AnythingRanker()
    ranker.said = said
    each = [found(i, labels=count) for i, count in enumerate(labels)]

    ranked = asked(rank(ranker), *each)

    for before, ranking in zip(each, ranked.rankings, strict=True):
        assert sorted(names(ranking)) == sorted(one.label for one in before.candidates)
        total = sum(label.probability for label in ranking.labels) + ranking.probability_unknown
        assert total == pytest.approx(1)
        assert all(0 <= label.probability <= 1 for label in ranking.labels)
        assert ranking.status is not RankingStatus.RANKED or ranking.judged is not None
        assert ranking.status is not RankingStatus.DEGRADED or ranking.rung
