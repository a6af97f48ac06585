"""Weak pictures, federated sets and pictures without words: what is never punished."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.segmentation.losses import Supervision, Target, criterion
from tests.models.segmentation.losing import SIDE, a_finding, a_target, moved_by, some_texts, total_of


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_what_is_not_verified_is_never_punished() -> None:
    found, texts = a_finding(), some_texts()
    verified = torch.tensor([True, True, True, True, False, False])
    targets = [replace(a_target(), verified=verified)] * 2

    total_of(criterion(found, targets, texts)).backward()

    assert texts.grad is not None
    assert texts.grad.abs().sum((0, 2)).bool().tolist() == [True, True, True, True, False, False]


def test_what_one_picture_verified_counts_in_that_picture_alone() -> None:
    found, texts = a_finding(), some_texts()
    verified = torch.tensor([True, True, True, False, False, False])

    total_of(criterion(found, [a_target(), replace(a_target(), verified=verified)], texts)).backward()

    assert texts.grad is not None
    assert texts.grad.abs().sum(2).bool().tolist() == [[True] * 6, [True] * 3 + [False] * 3]


def test_what_is_there_counts_although_nobody_verified_it() -> None:
    found, texts = a_finding(), some_texts()
    nobody = torch.zeros(6, dtype=torch.bool)

    total_of(criterion(found, [replace(a_target(), verified=nobody)] * 2, texts)).backward()

    assert texts.grad is not None
    assert texts.grad.abs().sum((0, 2)).bool().tolist() == [True] * 3 + [False] * 3


def test_of_a_federated_sets_absent_names_fifty_are_drawn_and_only_verified_ones() -> None:
    found, texts = a_finding(), some_texts(prompts=203)
    verified = torch.ones(203, dtype=torch.bool)
    verified[100:150] = False
    targets = [replace(a_target(prompts=203), verified=verified, federated=True)] * 2

    total_of(criterion(found, targets, texts)).backward()

    assert texts.grad is not None
    counted = texts.grad.abs().sum((0, 2)).bool()
    assert counted[:3].all()
    assert int(counted[3:].sum()) == 50
    assert not counted[100:150].any()


def test_another_batch_draws_other_absent_names() -> None:
    def counted() -> Tensor:
        found, texts = a_finding(), some_texts(prompts=203)
        total_of(criterion(found, [replace(a_target(prompts=203), federated=True)] * 2, texts)).backward()
        assert texts.grad is not None
        return texts.grad.abs().sum((0, 2)).bool()

    assert not torch.equal(counted(), counted())


def test_a_weak_picture_moves_neither_boxes_nor_masks_nor_proposals() -> None:
    found, texts = a_finding(), some_texts()
    weak = replace(a_target(), supervision=Supervision.WEAK)

    terms = criterion(found, [weak, weak], texts)
    total_of(terms).backward()

    places = [layer.boxes for layer in found.layers]
    assert not moved_by(*places, found.mask_queries, found.mask_features)
    assert not moved_by(found.proposals.boxes, found.proposals.logits)
    assert moved_by(found.layers[0].queries, found.layers[2].offsets)
    assert all(terms[name].item() == 0 for name in terms if name not in {"words_0", "words_1", "words_2"})


def test_a_picture_without_words_teaches_boxes_masks_and_that_there_is_something() -> None:
    found, texts = a_finding(), some_texts()
    agnostic = replace(a_target(), supervision=Supervision.AGNOSTIC)

    total_of(criterion(found, [agnostic, agnostic], texts)).backward()

    assert not moved_by(texts, *(layer.queries for layer in found.layers))
    assert moved_by(found.proposals.logits)
    assert moved_by(found.layers[0].boxes)
    assert moved_by(found.mask_queries)


def test_where_only_what_was_spoken_of_is_boxed_nobody_says_that_there_is_nothing_else() -> None:
    found, texts = a_finding(), some_texts()
    referring = replace(a_target(), supervision=Supervision.REFERRING)

    total_of(criterion(found, [referring, referring], texts)).backward()

    assert not moved_by(found.proposals.logits)
    assert moved_by(found.proposals.boxes)
    assert moved_by(texts)
    assert moved_by(found.mask_features)


def test_a_weak_picture_changes_nothing_for_the_boxes_of_others() -> None:
    found, texts = a_finding(), some_texts()
    full, other = a_target(), a_target()

    together = criterion(found, [full, replace(other, supervision=Supervision.WEAK)], texts)
    alone = criterion(
        found, [full, Target(torch.zeros(0, 4), torch.zeros(0, SIDE, SIDE), other.answers[:0])], texts
    )

    for name in ("boxes_0", "overlap_2", "masks", "dice", "boxes_proposals"):
        assert together[name].item() == pytest.approx(alone[name].item(), rel=1e-5)


def test_a_picture_without_words_does_not_dilute_the_words_of_others() -> None:
    found, texts = a_finding(), some_texts()
    full, silent = a_target(), replace(a_target(), supervision=Supervision.AGNOSTIC)
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, SIDE, SIDE), silent.answers[:0])

    beside = criterion(found, [full, silent], texts)
    alone = criterion(found, [full, replace(nothing, supervision=Supervision.AGNOSTIC)], texts)

    assert beside["words_0"].item() == pytest.approx(alone["words_0"].item())


def test_a_picture_without_things_teaches_that_nothing_is_there() -> None:
    found, texts = a_finding(), some_texts()
    empty = Target(torch.zeros(0, 4), torch.zeros(0, SIDE, SIDE), torch.zeros(0, 6, dtype=torch.bool))

    terms = criterion(found, [empty, empty], texts)
    total_of(terms).backward()

    assert all(bool(value.isfinite()) for value in terms.values())
    assert {name for name, value in terms.items() if value.item() > 0} == {
        *(f"words_{number}" for number in range(3)),
        "words_proposals",
    }
    for layer in found.layers:
        assert layer.offsets.grad is not None
        assert (layer.offsets.grad > 0).all()  # what is to be small falls with every score
