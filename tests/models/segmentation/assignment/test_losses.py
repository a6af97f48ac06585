"""Which box learns from which truth."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from models.segmentation.assignment.losses import NONE, assign, iou, sampled

LEAST = 0.6


def _overlap(*rows: list[float]) -> Tensor:
    return torch.tensor([rows])


def _truths(overlap: Tensor, *, least: float = LEAST, most: int = 4) -> list[int]:
    found: list[int] = assign(overlap, least=least, most=most).truth[0].tolist()
    return found


def test_overlap_is_that_of_the_common_part() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.4, 0.4], [0.0, 0.0, 0.0, 0.0]]])
    others = torch.tensor([[[0.2, 0.0, 0.6, 0.4], [0.5, 0.5, 0.9, 0.9], [0.0, 0.0, 0.4, 0.4]]])

    expected = torch.tensor([[[1 / 3, 0, 1], [0, 0, 0]]])
    assert torch.allclose(iou(boxes, others), expected, atol=1e-6)


def test_up_to_four_boxes_learn_from_one_truth_the_best_ones() -> None:
    assert _truths(_overlap([0.7, 0.9, 0.61, 0.8, 0.65, 0.59])) == [0, 0, NONE, 0, 0, NONE]


def test_what_is_as_near_as_those_that_learn_is_told_nothing() -> None:
    found = assign(_overlap([0.7, 0.9, 0.61, 0.8, 0.65, 0.59]), least=LEAST, most=4)

    assert found.near[0].tolist() == [NONE, NONE, 0, NONE, NONE, NONE]


def test_a_box_learns_from_the_truth_that_it_overlaps_most() -> None:
    assert _truths(_overlap([0.9, 0.7, 0], [0.65, 0.8, 0])) == [0, 1, NONE]


def test_a_truth_that_nothing_overlaps_enough_has_its_best_box() -> None:
    assert _truths(_overlap([0.1, 0.3, 0], [0.9, 0, 0])) == [1, 0, NONE]


def test_a_truth_keeps_its_best_box_although_another_overlaps_it_more() -> None:
    # the second truth touches the first box alone; the first truth has others
    assert _truths(_overlap([0.7, 0.75, 0.8], [0.65, 0, 0])) == [1, 0, 0]


def test_two_truths_that_want_the_same_box_have_one_each() -> None:
    assert _truths(_overlap([0.9, 0.2], [0.8, 0.1])) == [0, 1]


def test_where_boxes_are_few_no_truth_goes_without_for_the_sake_of_another() -> None:
    assert _truths(_overlap([0, 0.2], [0.7, 0.8])) == [1, 0]


def test_a_truth_that_nothing_touches_has_none() -> None:
    assert _truths(_overlap([0, 0], [0.7, 0])) == [1, NONE]


def test_pictures_of_a_batch_are_assigned_each_for_itself() -> None:
    overlap = torch.tensor([[[0.9, 0.1], [0, 0]], [[0, 0.2], [0.7, 0.8]]])

    assert assign(overlap, least=LEAST, most=4).truth.tolist() == [[0, NONE], [1, 0]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 20), st.integers(1, 5))
def test_as_many_truths_as_can_have_a_box_and_none_has_too_many(
    seed: int, truths: int, boxes: int, most: int
) -> None:
    made = torch.Generator().manual_seed(seed)
    overlap = torch.rand(3, truths, boxes, generator=made)
    overlap *= torch.rand(3, truths, boxes, generator=made) < 0.7

    found = assign(overlap, least=LEAST, most=most)

    for image, truth, near in zip(overlap, found.truth, found.near, strict=True):
        best, preferred = image.max(0)
        pairs = maximum_bipartite_matching(csr_matrix((image > 0).numpy()), perm_type="column")
        assert len(set(truth.tolist()) - {NONE}) == (pairs >= 0).sum()
        for number in range(truths):
            learning = (truth == number).nonzero()[:, 0]
            assert len(learning) <= most
            assert (image[number, learning] > 0).all()
            low = (image[number, learning] < LEAST) | (preferred[learning] != number)
            assert low.sum() <= 1  # the one that it needs
            left = image[number, (near == number) & (preferred == number)]
            assert len(learning) == most or not len(left)
        assert torch.equal((truth == NONE) & (best >= LEAST), near != NONE)


def test_half_of_a_sample_shows_something_at_the_most() -> None:
    torch.manual_seed(0)
    overlap = torch.zeros(1, 60, 400)
    overlap[0, torch.arange(60), torch.arange(60)] = 0.9
    overlap[0, 0, 300:] = 0.5

    found = assign(overlap, least=0.7, most=4)
    chosen = sampled(found, overlap.amax(1), below=0.3, count=100)[0]

    assert int(chosen[:60].sum()) == 50
    assert int(chosen[60:300].sum()) == 50
    assert not chosen[300:].any()


def test_with_few_that_show_something_the_sample_is_filled_with_others() -> None:
    torch.manual_seed(0)
    overlap = torch.zeros(2, 1, 400)
    overlap[0, 0, 3] = 0.9

    chosen = sampled(assign(overlap, least=0.7, most=4), overlap.amax(1), below=0.3, count=256)

    assert chosen.sum(1).tolist() == [256, 256]
    assert bool(chosen[0, 3])


def test_a_sample_is_drawn_by_torchs_seed() -> None:
    overlap = torch.rand(1, 3, 500)
    found = assign(overlap, least=0.7, most=4)

    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return sampled(found, overlap.amax(1) / 4, below=0.3, count=100)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
