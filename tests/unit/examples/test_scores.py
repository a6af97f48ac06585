"""What the demonstration's answers add up to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from examples.demo.metrics import Share
from examples.demo.modes import MODES, Answer, Guess, Round
from examples.demo.scores import accuracies, confusions, groups, stage_times, unknowns
from examples.demo.task import Picture
from fovea.client import Box, FoveaError, Gate, RankedLabel, Recognition, Region, Stage, Status


def answer(
    truth: str, *labels: str, vendor: str = "noto", known: bool = True, unknown: float = 0.1
) -> Answer:
    status = Status.UNKNOWN if unknown > 0.5 else Status.DEGRADED
    ranked = tuple(RankedLabel(label, (1 - unknown) / len(labels)) for label in labels)
    gate = Gate("unknown", unknown, 0.5, open=unknown > 0.5, calibrated=False)
    region = Region("0", Box(0, 0, 1, 1), ranked, unknown, status, gates=(gate,))
    stages = (Stage("encoding", "1", duration_s=unknown),)
    return Answer(Picture(truth, "bird", vendor, Path()), known, Recognition("r", (region,), stages=stages))


def played(*answers: Answer, guesses: tuple[Guess, ...] = ()) -> Round:
    return Round(MODES[0], answers, guesses, {}, classes=10, teach_s=1, stream_s=1)


def test_each_artist_has_a_row_and_all_have_one_together() -> None:
    rows = accuracies(played(answer("a", "a"), answer("a", "b", "a", vendor="fluent")))

    assert [(row.where, row.top_1, row.top_5) for row in rows] == [
        ("fluent", Share(0, 1), Share(1, 1)),
        ("noto", Share(1, 1), Share(1, 1)),
        ("all", Share(1, 2), Share(2, 2)),
    ]
    assert [rows[0].chance_1, rows[0].chance_5] == pytest.approx([0.1, 0.5])


def test_a_query_that_failed_counts_as_wrong() -> None:
    record = Recognition("r", failure=FoveaError("no"))
    failed = Answer(Picture("a", "bird", "noto", Path()), known=True, recognition=record)

    assert accuracies(played(failed, answer("a", "a")))[-1].top_1 == Share(1, 2)


def test_classes_that_were_never_taught_do_not_count_as_wrong() -> None:
    row = accuracies(played(answer("a", "a"), answer("z", "a", known=False)))[-1]

    assert row.top_1 == Share(1, 1)


def test_the_baseline_is_counted_on_the_same_queries() -> None:
    guesses = (Guess(("a", "b"), 0.9), Guess(("b", "c"), 0.5))
    ((row,),) = groups([played(answer("a", "b"), answer("c", "c"), guesses=guesses)])

    assert (row.where, row.top_1, row.pixel_1, row.pixel_5) == ("bird", Share(1, 2), Share(1, 2), Share(2, 2))


def test_a_round_that_saw_nothing_of_a_group_has_an_empty_place_in_its_row() -> None:
    ((seen, unseen),) = groups([played(answer("a", "a")), played(answer("z", "a", known=False))])

    assert (seen.top_1, unseen.top_1) == (Share(1, 1), Share(0, 0))


def test_unknown_classes_are_told_from_known_ones_by_their_probability() -> None:
    row = unknowns(played(answer("a", "a"), answer("z", "a", known=False, unknown=0.9)))

    assert (row.flagged, row.wrongly, row.auroc) == (Share(1, 1), Share(0, 1), 1)
    assert (row.threshold, row.calibrated, row.pixel_auroc) == (0.5, False, None)


def test_the_pair_that_is_confused_most_often_comes_first() -> None:
    once = answer("a", "b", unknown=0.0)
    found = confusions(played(once, answer("c", "d"), answer("c", "d", unknown=0.3), answer("e", "e")), 5)

    assert [(pair.truth, pair.answer, pair.count) for pair in found] == [("c", "d", 2), ("a", "b", 1)]
    assert found[0].example.probability == pytest.approx(0.9)


def test_a_stages_median_is_over_the_queries_that_were_asked_alone() -> None:
    answers = [answer("a", "a", unknown=unknown) for unknown in (0.1, 0.3, 0.9)]
    (row,) = stage_times(replace(played(*answers), alone_s=(1.0, 1.0)))

    assert row.name == "encoding"
    assert row.median_s == pytest.approx(0.2)
