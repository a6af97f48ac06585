import pytest
import torch

from models.segmentation.measures.losses import giou
from models.segmentation.refining.network import Refiner, moved, wished
from tests.models.segmentation.conftest import SMALL

BOXES = torch.tensor([[[0.2, 0.3, 0.4, 0.7], [0.1, 0.1, 0.9, 0.5]]])
TRUTHS = torch.tensor([[[0.25, 0.2, 0.4, 0.7], [0.2, 0.1, 0.8, 0.6]]])


def test_the_moves_that_are_wished_for_make_boxes_their_truths() -> None:
    torch.testing.assert_close(moved(BOXES, wished(BOXES, TRUTHS)), TRUTHS)


def test_a_move_is_in_sides_of_the_box() -> None:
    torch.testing.assert_close(wished(BOXES, BOXES + 0.1)[0, 0], torch.tensor([0.5, 0.25, 0, 0]))


def test_before_it_has_learnt_no_box_moves() -> None:
    found, fits = Refiner(SMALL, [3])(BOXES, [torch.rand(1, 3, 8, 8)])

    torch.testing.assert_close(found, BOXES)
    assert fits.tolist() == [[0, 0]]


def test_it_learns_to_move_boxes_onto_what_they_overlap() -> None:
    torch.manual_seed(0)
    refiner = Refiner(SMALL, [1])
    truths = torch.tensor([[[0.25, 0.25, 0.625, 0.75]]]).expand(1, 64, 4)
    picture = torch.zeros(1, 1, 32, 32)
    picture[..., 8:24, 8:20] = 1
    optimiser = torch.optim.Adam(refiner.parameters(), 3e-3)

    def off() -> torch.Tensor:
        return truths + 0.05 * torch.randn_like(truths)

    for _ in range(150):
        loss = (1 - giou(refiner.move(off(), [picture])[0][0], truths[0])).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    boxes = off()

    assert giou(refiner.move(boxes, [picture])[0][0], truths[0]).mean() > 0.84
    assert giou(boxes[0], truths[0]).mean() < 0.7


@pytest.mark.parametrize("times", [1, 3])
def test_boxes_move_as_often_as_is_set(times: int) -> None:
    refiner = Refiner(SMALL.__class__(**{**vars(SMALL), "refinements": times}), [3])
    torch.nn.init.constant_(refiner.output.bias[:1], 0.5)

    found, _ = refiner(BOXES, [torch.rand(1, 3, 8, 8)])

    torch.testing.assert_close(found[0, 0, 0], BOXES[0, 0, 0] + times * 0.1)
