"""Each term against what can be worked out by hand."""

import math

import pytest
import torch
from torch.nn import functional

from models.segmentation.measures.losses import around, dice, direction, distance, focal, giou, pixelwise

BOX = torch.tensor([[0.0, 0.0, 0.4, 0.2]])


def test_at_the_start_a_positive_weighs_a_million_negatives() -> None:
    start = torch.full((2,), -math.log(99.0))  # a score of 0.01

    found = focal(start, torch.tensor([0.0, 1.0]))

    assert found.tolist() == pytest.approx([7.54e-7, 1.128], rel=1e-3)


def test_focal_loss_equals_its_formula() -> None:
    torch.manual_seed(0)
    logits, truth = torch.randn(50, dtype=torch.float64), (torch.rand(50) < 0.5).double()
    p = torch.where(truth == 1, torch.sigmoid(logits), 1 - torch.sigmoid(logits))
    alpha = torch.where(truth == 1, 0.25, 0.75)

    assert torch.allclose(focal(logits, truth), -alpha * (1 - p) ** 2 * p.log(), atol=1e-12)


def test_focal_loss_has_a_gradient_everywhere() -> None:
    logits = torch.tensor([-50_000.0, -30, 0, 30, 50_000]).repeat(2).requires_grad_()

    focal(logits, torch.tensor([0.0, 1.0]).repeat_interleave(5)).sum().backward()

    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_boxes_are_apart_by_their_middles_and_sides() -> None:
    moved = torch.tensor([[0.1, 0.0, 0.5, 0.3]])

    # the middle by 0.1 and 0.05, the height by 0.1
    assert distance(BOX, moved).item() == pytest.approx(0.25)
    assert distance(BOX, BOX).item() == 0


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0.0, 0.0, 0.4, 0.2], 1.0),
        ([0.0, 0.0, 0.2, 0.2], 0.5),
        ([0.2, 0.0, 0.6, 0.2], 1 / 3),
        ([0.6, 0.0, 1.0, 0.2], -0.2),  # nothing in common, and a fifth of what is around both is empty
        ([0.2, 0.1, 0.6, 0.3], 0.02 / 0.14 - 0.04 / 0.18),
        ([0.0, 0.0, 0.0, 0.0], 0.0),
    ],
)
def test_generalised_overlap_equals_its_closed_form(other: list[float], expected: float) -> None:
    assert giou(BOX, torch.tensor([other])).item() == pytest.approx(expected, abs=1e-6)


def test_two_boxes_without_area_give_no_infinite_gradient() -> None:
    box = torch.zeros(1, 4, requires_grad=True)

    giou(box, torch.zeros(1, 4)).sum().backward()

    assert box.grad is not None
    assert box.grad.isfinite().all()


def test_dice_tells_equal_half_and_disjoint_masks_apart() -> None:
    truth = torch.zeros(3, 4, 4)
    truth[:, :2] = 1
    logits = torch.full((3, 4, 4), -40.0)
    logits[0, :2] = logits[1, :1] = logits[2, 2:] = 40

    found = dice(logits, truth, torch.ones(3, 4, 4, dtype=torch.bool))

    assert found.tolist() == pytest.approx([0, 1 - 9 / 13, 1 - 1 / 17], abs=1e-6)


def test_two_empty_masks_are_equal() -> None:
    everywhere = torch.ones(1, 4, 4, dtype=torch.bool)

    assert dice(torch.full((1, 4, 4), -40.0), torch.zeros(1, 4, 4), everywhere).item() == pytest.approx(
        0, abs=1e-6
    )


def test_pixels_count_alike_and_may_be_shares() -> None:
    logits, truth = torch.zeros(2, 3, 5), torch.full((2, 3, 5), 0.3)

    everywhere = torch.ones(2, 3, 5, dtype=torch.bool)

    assert pixelwise(logits, truth, everywhere).tolist() == pytest.approx([math.log(2)] * 2)


def test_what_is_far_from_a_box_counts_nowhere() -> None:
    near = around(torch.tensor([[0.25, 0.5, 0.5, 0.75]]), 8, reach=0.0)
    logits, truth = torch.full((1, 8, 8), 40.0), torch.zeros(1, 8, 8)
    truth[near] = 1

    assert near[0].nonzero().min(0).values.tolist() == [3, 1]
    assert near[0].nonzero().max(0).values.tolist() == [6, 4]
    assert pixelwise(logits, truth, near).item() == pytest.approx(0, abs=1e-6)
    assert dice(logits, truth, near).item() == pytest.approx(0, abs=1e-6)
    assert pixelwise(-logits, truth, near).item() == pytest.approx(40)


def test_only_the_direction_of_a_vector_counts() -> None:
    vectors = torch.tensor([[3.0, 0, 0], [0, 0.1, 0], [0, 0, 2]])
    truths = functional.normalize(torch.tensor([[1.0, 0, 0], [0, -1, 0], [1, 0, 1]]))

    assert direction(vectors, truths).tolist() == pytest.approx([0, 2, 1 - math.sqrt(0.5)], abs=1e-6)
