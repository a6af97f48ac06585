"""Comparing two spaces, against what is known of worlds that were made for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.vocabulary import EncodedExemplar, SpaceVote
from services.retrieval.domain.spaces import ComparisonPolicy, PairedShare, SpaceReport, matched_vote, sampled
from services.retrieval.usecases import CompareSpaces
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.memory import InMemoryMemory

LABELS, SHOTS, DIM = 20, 10, 24
VOTE = SpaceVote("visual", weight=1.0, temperature=0.06, reference=0.5)


def world(*, noise: float, turned: bool = True) -> list[EncodedExemplar]:
    """Return exemplars whose second embedding is a rotation of the first one, and noisier or not."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(LABELS, DIM))
    rotation = np.linalg.qr(random.normal(size=(DIM, DIM)))[0] if turned else np.eye(DIM)
    found = []
    for label in range(LABELS):
        for shot in range(SHOTS):
            seen = centres[label] + 0.5 * random.normal(size=DIM)
            other = rotation @ seen + noise * random.normal(size=DIM)
            both = [embedding(*seen), embedding(*other, space="other", encoder="other@1")]
            found.append(encoded(f"e{label:02}-{shot:02}", f"label {label:02}", both))
    return found


def compared(exemplars: list[EncodedExemplar], policy: ComparisonPolicy | None = None) -> SpaceReport:
    memory = InMemoryMemory()
    for each in exemplars:
        memory.remember(BIRDS, each)
    return CompareSpaces(memory, neighbours=100)(BIRDS, VOTE, "other", policy or ComparisonPolicy())


def test_an_encoder_that_sees_the_same_passes_with_no_difference() -> None:
    report = compared(world(noise=0.0))

    assert report.passes
    assert report.accuracy.asked == LABELS * SHOTS
    assert report.labels == LABELS
    assert report.accuracy.difference == report.recall.difference == 0
    assert report.accuracy.before > 0.9 * LABELS * SHOTS
    assert report.vote.temperature == pytest.approx(VOTE.temperature, rel=1e-3)
    assert report.vote.reference == pytest.approx(VOTE.reference, abs=1e-3)


def test_an_encoder_that_sees_hardly_anything_does_not_pass() -> None:
    report = compared(world(noise=8.0))

    assert not report.passes
    assert report.accuracy.interval[1] < -0.3


def test_too_few_exemplars_show_nothing() -> None:
    assert not compared(world(noise=0.0)[: 2 * SHOTS]).passes
    assert not compared([]).passes


def test_an_exemplar_never_answers_for_itself() -> None:
    alone = [each for each in world(noise=0.0) if each.exemplar.exemplar_id.endswith("-00")]

    assert compared(alone).accuracy.asked == 0  # a label of one exemplar cannot be found by others

    strangers = [
        encoded("a", "wren", [embedding(1, 0), embedding(1, 0, space="other")]),
        encoded("b", "wren", [embedding(-1, 0), embedding(-1, 0, space="other")]),
        encoded("c", "tit", [embedding(1, 0.1), embedding(1, 0.1, space="other")]),
    ]
    report = compared(strangers)

    assert report.accuracy.asked == 2
    assert report.accuracy.before <= 1  # the wren at (1, 0) has the tit as its nearest


def test_exemplars_that_lack_one_of_the_spaces_are_not_asked() -> None:
    exemplars = world(noise=0.0)
    exemplars[0] = EncodedExemplar(exemplars[0].exemplar, exemplars[0].embeddings[:1])

    assert compared(exemplars).accuracy.asked == LABELS * SHOTS - 1


def test_a_sample_has_about_as_many_of_each_label_and_is_the_same_for_a_seed() -> None:
    labelled = [(f"{label}-{number}", label) for label in "abcde" for number in range(40)]
    labelled += [("f-0", "f"), ("g-0", "g"), ("g-1", "g")]
    policy = ComparisonPolicy(sample=60, seed=3)

    drawn = sampled(labelled, policy)

    counts = {label: sum(each.startswith(label) for each in drawn) for label in "abcdefg"}
    assert counts == {"a": 10, "b": 10, "c": 10, "d": 10, "e": 10, "f": 0, "g": 2}
    assert drawn == sampled(reversed(labelled), policy)
    assert drawn != sampled(labelled, ComparisonPolicy(sample=60, seed=4))
    assert len(sampled(labelled, ComparisonPolicy(sample=3))) == 3


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=200))
def test_the_interval_holds_the_difference_and_is_as_wide_as_the_formula(
    pairs: list[tuple[bool, bool]],
) -> None:
    share = PairedShare.of([before for before, _ in pairs], [after for _, after in pairs])

    assert share.before == sum(before for before, _ in pairs)
    assert share.after == sum(after for _, after in pairs)
    least, most = share.interval
    assert -1 <= least <= most <= 1
    assert least - 0.02 <= share.difference * share.asked / (share.asked + 2) <= most + 0.02
    n, b, c = len(pairs) + 2, share.gained + 0.5, share.lost + 0.5
    width = 1.959964 * math.sqrt(((b + c) - (b - c) ** 2 / n) / n**2)
    assert (most - least) / 2 <= width + 1e-9


def test_a_vote_is_matched_to_similarities_that_are_spread_otherwise() -> None:
    before = [0.4, 0.5, 0.6]
    after = [0.7, 0.75, 0.8]

    vote = matched_vote(VOTE, "other", before=before, after=after)

    assert (vote.space, vote.weight) == ("other", 1.0)
    assert vote.temperature == pytest.approx(VOTE.temperature / 2)
    assert vote.reference == pytest.approx(0.75)  # as far above the mean as before, which is not at all
    assert matched_vote(VOTE, "other", before=[0.5], after=[0.9]) == SpaceVote("other", 1.0, 0.06, 0.5)
