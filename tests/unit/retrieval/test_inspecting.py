"""Mining and auditing against plain arithmetic over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.domain.audit import AuditPolicy, Finding, FindingKind, LabelCoverage, Summary
from services.retrieval.domain.mining import MiningPolicy
from services.retrieval.usecases import AuditMemory, MineNegatives
from tests.fakes.exemplars import BIRDS, SEA, embedding, encoded
from tests.fakes.memory import InMemoryMemory

LABELS = 12
SHOTS = 6


def world(seed: int = 0, noise: float = 0.35) -> list[EncodedExemplar]:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(LABELS, 16))
    centres *= 4 / np.linalg.norm(centres, axis=1, keepdims=True)  # every class is as noisy as the others
    return [
        encoded(
            f"e{label:02}-{shot}",
            f"label {label:02}",
            [embedding(*(centres[label] + noise * random.normal(size=16)))],
        )
        for label in range(LABELS)
        for shot in range(SHOTS)
    ]


def taught(exemplars: list[EncodedExemplar]) -> InMemoryMemory:
    memory = InMemoryMemory()
    for each in exemplars:
        memory.remember(BIRDS, each)
    return memory


def audited(
    exemplars: list[EncodedExemplar], policy: AuditPolicy | None = None
) -> tuple[list[Finding], list[LabelCoverage], Summary]:
    told = list(AuditMemory(taught(exemplars))(BIRDS, policy or AuditPolicy("visual")))
    summary = told[-1]
    assert isinstance(summary, Summary)
    findings = [each for each in told if isinstance(each, Finding)]
    return findings, [each for each in told if isinstance(each, LabelCoverage)], summary


def test_hard_negatives_are_the_nearest_exemplars_of_the_nearest_wrong_classes() -> None:
    exemplars = world()
    vectors = np.stack([each.embeddings[0].vector for each in exemplars]).astype(np.float64)
    labels = [each.exemplar.label for each in exemplars]
    mined = list(MineNegatives(taught(exemplars))(BIRDS, MiningPolicy("visual", count=3, among=3)))

    assert [each.exemplar.exemplar_id for each in mined] == sorted(
        each.exemplar.exemplar_id for each in exemplars
    )
    for place, each in enumerate(mined):
        best: dict[str, float] = {}
        for label, cosine in zip(labels, vectors @ vectors[place], strict=True):
            if label != labels[place]:
                best[label] = max(cosine, best.get(label, -2.0))
        wanted = sorted(best, key=lambda label: -best[label])[:3]
        assert [hit.exemplar.label for hit in each.negatives] == wanted
        assert [hit.similarity for hit in each.negatives] == pytest.approx([best[name] for name in wanted])


def test_a_class_of_many_does_not_hide_the_wrong_ones_behind_it() -> None:
    many = [encoded(f"m{n:03}", "robin", [embedding(1, n / 300)]) for n in range(60)]
    far = [encoded("w", "wren", [embedding(-1, 0)]), encoded("t", "tit", [embedding(-1, 0.1)])]
    mined = list(MineNegatives(taught([*many, *far]))(BIRDS, MiningPolicy("visual", count=2, among=2)))
    robins = [each for each in mined if each.exemplar.label == "robin"]
    assert len(robins) == 60
    assert all({hit.exemplar.label for hit in each.negatives} == {"wren", "tit"} for each in robins)


def test_a_memory_of_one_class_has_no_negatives_and_an_empty_one_has_nothing() -> None:
    one = taught([encoded(f"r{n}", "robin", [embedding(1, n)]) for n in range(3)])
    assert [each.negatives for each in MineNegatives(one)(BIRDS, MiningPolicy("visual"))] == [()] * 3
    assert list(MineNegatives(one)(SEA, MiningPolicy("visual"))) == []
    assert list(MineNegatives(one)(BIRDS, MiningPolicy("name"))) == []


def test_doubles_are_told_once_and_contradictions_as_such() -> None:
    exemplars = [*world(), encoded("x1", "label 00", [embedding(*range(1, 17))])]
    exemplars += [
        encoded("x2", "label 00", [embedding(*range(1, 17))]),
        encoded("x3", "label 01", [embedding(*range(1, 17))]),
    ]
    findings, _, summary = audited(exemplars)
    pairs = {
        (found.kind, found.exemplar.exemplar_id, found.other.exemplar_id if found.other else "")
        for found in findings
        if found.kind in (FindingKind.NEAR_DUPLICATE, FindingKind.LABEL_CONFLICT)
    }
    assert pairs == {
        (FindingKind.NEAR_DUPLICATE, "x1", "x2"),
        (FindingKind.LABEL_CONFLICT, "x1", "x3"),
        (FindingKind.LABEL_CONFLICT, "x2", "x3"),
    }
    assert summary.findings[FindingKind.LABEL_CONFLICT] == 2


def test_a_wrong_label_is_suspected_and_the_right_one_suggested() -> None:
    exemplars = world(noise=0.1)
    victim = exemplars[SHOTS]
    assert victim.exemplar.label == "label 01"
    wrong = encoded(victim.exemplar.exemplar_id, "label 07", victim.embeddings)
    policy = AuditPolicy("visual", duplicate=1.0, neighbours=5)
    findings, _, _ = audited([*exemplars[:SHOTS], wrong, *exemplars[SHOTS + 1 :]], policy)
    suspects = [found for found in findings if found.kind is FindingKind.SUSPECT_LABEL]
    assert [(found.exemplar.exemplar_id, found.suggested_label) for found in suspects] == [
        (victim.exemplar.exemplar_id, "label 01")
    ]


def test_a_stranger_in_its_class_is_an_outlier_and_a_class_of_one_is_not() -> None:
    exemplars = world(noise=0.1)
    stranger = encoded("stranger", "label 03", [embedding(*np.random.default_rng(9).normal(size=16))])
    single = encoded("single", "a class of one", [embedding(*np.random.default_rng(8).normal(size=16))])
    findings, _, _ = audited([*exemplars, stranger, single], AuditPolicy("visual", duplicate=1.0))
    outliers = [found.exemplar.exemplar_id for found in findings if found.kind is FindingKind.OUTLIER]
    assert outliers == ["stranger"]


def test_recall_is_that_of_leaving_each_one_out() -> None:
    exemplars = world(noise=1.0)
    vectors = np.stack([each.embeddings[0].vector for each in exemplars]).astype(np.float64)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    labels = [each.exemplar.label for each in exemplars]

    def rank(place: int) -> int:
        ordered = dict.fromkeys(labels[other] for other in np.argsort(-cosines[place])[:-1])
        return list(ordered).index(labels[place])

    ranks = np.array([rank(place) for place in range(len(exemplars))])
    _, coverage, summary = audited(exemplars, AuditPolicy("visual", duplicate=1.0))
    assert summary.asked == len(exemplars)
    for most in (1, 5, 10):
        assert summary.found[most] == int((ranks < most).sum())
    firsts = {each.label: each.found[1] for each in coverage}
    for label in set(labels):
        of_label = np.array([each == label for each in labels])
        assert firsts[label] == int((ranks[of_label] < 1).sum())


def test_thin_labels_are_counted_and_the_worst_found_come_first() -> None:
    exemplars = [*world(noise=0.1), encoded("lonely", "thin", [embedding(*([1] * 16))])]
    _, coverage, summary = audited(exemplars)
    assert summary.thin_labels == 1
    assert (summary.labels, summary.exemplars) == (LABELS + 1, len(exemplars))
    assert coverage[0].label == "thin"
    assert coverage[0].found[1] == 0


def test_an_empty_memory_has_a_summary_of_noughts() -> None:
    findings, coverage, summary = audited([])
    assert (findings, coverage) == ([], [])
    assert (summary.exemplars, summary.asked, summary.found[1]) == (0, 0, 0)
