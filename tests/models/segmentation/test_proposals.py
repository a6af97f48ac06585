import pytest
import torch
from torch import Tensor

from models.segmentation.proposals.network import Proposals, Proposer, corners, middles, suppress
from tests.models.segmentation.conftest import SMALL

SIDES = (12, 6, 3)


def one_after_the_other(boxes: Tensor, overlap: float) -> list[bool]:
    """Greedy suppression as it is usually written."""
    kept: list[int] = []
    for number, box in enumerate(boxes):
        if all(shared(box, boxes[other]) <= overlap for other in kept):
            kept.append(number)
    return [number in kept for number in range(len(boxes))]


def shared(first: Tensor, second: Tensor) -> float:
    lower, upper = torch.maximum(first[:2], second[:2]), torch.minimum(first[2:], second[2:])
    common = (upper - lower).clamp(min=0).prod()
    areas = [(box[2:] - box[:2]).prod() for box in (first, second)]
    return float(common / (sum(areas) - common))


def row(*widths: float) -> Tensor:
    """Return boxes that begin at one place and are so wide."""
    return torch.tensor([[[0.0, 0.0, width, 0.5] for width in widths]])


def proposed(logits: Tensor) -> Proposals:
    anchors = corners(Proposer(SMALL, SIDES).anchors)
    return Proposals(anchors, anchors.expand(len(logits), -1, -1), logits)


@pytest.mark.parametrize(("width", "remains"), [(0.89, True), (0.91, False)])
def test_a_proposal_that_overlaps_a_better_one_by_more_than_nine_tenths_is_dropped(
    width: float, *, remains: bool
) -> None:
    assert suppress(row(1, width), overlap=0.9, steps=16).tolist() == [[True, remains]]


@pytest.mark.parametrize("seed", range(20))
def test_suppressing_all_at_once_equals_suppressing_one_after_the_other(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    middle = torch.rand(6, 2, generator=generator).repeat_interleave(20, 0)
    sizes = 0.2 + 0.05 * torch.rand(120, 2, generator=generator)
    boxes = corners(torch.cat([middle + 0.01 * torch.rand(120, 2, generator=generator), sizes], 1))
    boxes = boxes[torch.randperm(120, generator=generator)]

    found = suppress(boxes[None], overlap=0.8, steps=16)

    assert found[0].tolist() == one_after_the_other(boxes, 0.8)


def test_a_chain_of_boxes_is_right_as_far_as_there_are_steps() -> None:
    boxes = row(*(0.92**number for number in range(12)))  # each overlaps the next, and no other
    expected = one_after_the_other(boxes[0], 0.9)

    assert expected == [True, False] * 6
    assert suppress(boxes, overlap=0.9, steps=11).tolist() == [expected]
    assert suppress(boxes, overlap=0.9, steps=5)[0, :6].tolist() == expected[:6]


def test_each_picture_is_suppressed_alone() -> None:
    boxes = torch.cat([row(1, 0.95), row(1, 0.5)])

    assert suppress(boxes, overlap=0.9, steps=16).tolist() == [[True, False], [True, True]]


def test_every_cell_begins_with_the_box_it_stands_for() -> None:
    proposer = Proposer(SMALL, SIDES)

    proposals, _ = proposer(torch.randn(2, 189, SMALL.width))

    torch.testing.assert_close(proposals.boxes, proposals.anchors.expand(2, -1, -1), atol=2e-3, rtol=0)
    middle = middles(proposals.anchors)
    torch.testing.assert_close(middle[0], torch.tensor([0.5 / 12, 0.5 / 12, 2 / 12, 2 / 12]))
    torch.testing.assert_close(middle[144], torch.tensor([0.5 / 6, 0.5 / 6, 2 / 6, 2 / 6]))


def test_queries_are_the_best_of_all_levels_best_first() -> None:
    logits = torch.rand(2, 189, generator=torch.Generator().manual_seed(0))

    chosen = Proposer(SMALL, SIDES).choose(proposed(logits))

    scores = logits.gather(1, chosen)
    assert chosen.shape == (2, SMALL.queries)
    assert (scores.diff() <= 0).all()
    assert all(len(set(cells)) == SMALL.queries for cells in chosen.tolist())


def test_no_level_takes_all_queries() -> None:
    logits = torch.zeros(1, 189)
    logits[:, :144] = 1 + torch.rand(144, generator=torch.Generator().manual_seed(0))
    settings = SMALL.__class__(**{**vars(SMALL), "proposals": (8, 12, 6)})

    chosen = Proposer(settings, SIDES).choose(proposed(logits))

    assert int((chosen < 144).sum()) == 8


def test_where_too_few_remain_the_best_of_the_dropped_ones_fill_up() -> None:
    boxes = torch.tensor([0.2, 0.2, 0.6, 0.6]).expand(1, 189, 4)
    logits = torch.rand(1, 189, generator=torch.Generator().manual_seed(0))
    proposals = Proposals(boxes[0], boxes, logits)

    chosen = Proposer(SMALL, SIDES).choose(proposals)

    assert len(set(chosen[0].tolist())) == SMALL.queries
    assert (logits[0, chosen[0]].diff() <= 0).all()
