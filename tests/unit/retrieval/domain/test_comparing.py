from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation import metrics
from services.kernel.rankings import Candidate, Candidates
from services.retrieval.domain.comparing import Answer, Changed, Comparison, Share


def answer(label: str) -> Answer:
    return Answer(label, 0.5, 0.1)


def candidates(*labels: str, unknown_score: float) -> Candidates:
    found = tuple(Candidate(label, 1 / (place + 2), ()) for place, label in enumerate(labels))
    return Candidates("q", found, margin=0.0, entropy=0.0, unknown_score=unknown_score, votes=())


def test_an_answer_is_the_first_candidate_unless_unknown_has_more() -> None:
    assert Answer.of(candidates("robin", "wren", unknown_score=0.6), unknown_threshold=0.6).label == "robin"
    assert Answer.of(candidates("robin", unknown_score=0.61), unknown_threshold=0.6).label == ""
    assert Answer.of(candidates(unknown_score=1.0), unknown_threshold=1.0) == Answer("", 0.0, 1.0)


def test_only_another_label_is_another_answer() -> None:
    comparison = Comparison()

    assert comparison.take("a", "", Answer("wren", 0.5, 0.1), Answer("wren", 0.9, 0.0)) is None
    assert comparison.take("b", "tit", answer("wren"), answer("tit")) == Changed(
        "b", "tit", answer("wren"), answer("tit")
    )


@given(st.lists(st.tuples(*[st.sampled_from(["", "wren", "tit"])] * 3)))
def test_a_summary_counts_what_a_list_counts(asked: list[tuple[str, str, str]]) -> None:
    comparison = Comparison()
    for number, (right, before, after) in enumerate(asked):
        comparison.take(str(number), right, answer(before), answer(after))

    found = comparison.summary("v1", "v2")

    labelled = [each for each in asked if each[0]]
    assert found.same == Share(sum(before == after for _, before, after in asked), len(asked))
    assert found.right_before == Share(sum(right == before for right, before, _ in labelled), len(labelled))
    assert found.right_after == Share(sum(right == after for right, _, after in labelled), len(labelled))
    assert found.mended == sum(right == after != before for right, before, after in labelled)
    assert found.broken == sum(right == before != after for right, before, after in labelled)
    assert (found.before_version, found.after_version) == ("v1", "v2")


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_of_a_share_is_wilsons(share: tuple[int, int]) -> None:
    assert Share(*share).interval == pytest.approx(metrics.Share(*share).interval, abs=1e-4)


def test_of_nothing_nothing_is_known() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)
