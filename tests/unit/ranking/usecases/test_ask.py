from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from services.kernel.errors import (
    NotFound,
)
from services.kernel.rankings import Ancestor, BroaderLabel, Neighbour, RankingStatus
from services.kernel.vocabulary import Box, ExemplarKind, RecognitionOptions, Region
from services.ranking.domain.asking import Effort, Judgement, Mode, Question, Terms
from tests.fakes.asking import (
    EASY,
    IMAGE,
    NO_OPTIONS,
    PICTURE,
    DictImages,
    asked,
    desk,
    found,
    names,
    one,
    rank,
    region,
)
from tests.fakes.rankers import FakeRanker, judgement
from tests.fakes.ranking import RecordingMonitor, candidates


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
