"""What counts in the losses: as many tokens as the answer has, its end included."""

import math

import pytest
import torch

from models.multimodal import losses

OWNER = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, -1, -1]])
LIKELIHOODS = torch.tensor([[-1.0, -3.0, -2.0, -2.0, -5.0], [-4.0, -1.0, -2.0, -99.0, -99.0]])


def test_generation_is_the_mean_over_the_tokens_of_the_true_names() -> None:
    loss = losses.generation(LIKELIHOODS, OWNER, torch.tensor([0, 1]))

    assert loss.item() == pytest.approx((1 + 3 + 1 + 2) / 4)


def test_only_the_tokens_of_the_true_names_get_a_gradient() -> None:
    free = LIKELIHOODS.clone().requires_grad_()

    losses.generation(free, OWNER, torch.tensor([0, 1])).backward()

    assert free.grad is not None
    assert int((free.grad != 0).sum()) == 4


def test_answers_count_everything_that_is_said_and_no_padding() -> None:
    assert losses.answers(LIKELIHOODS, OWNER).item() == pytest.approx((1 + 3 + 2 + 2 + 5 + 4 + 1 + 2) / 8)


def test_names_compete_by_their_means_so_length_does_not_matter() -> None:
    means = losses.means(LIKELIHOODS, OWNER, 3)

    assert means[:, :2].flatten().tolist() == pytest.approx([-2, -3, -4, -1.5])
    assert means[:, 2].tolist() == [-math.inf] * 2


def test_equal_names_cost_the_logarithm_of_their_number_and_a_missing_one_nothing() -> None:
    scores = torch.tensor([[-2.0, -2.0, -2.0, -math.inf]])

    assert losses.ranking(scores, torch.tensor([1]), sharpness=4.0).item() == pytest.approx(math.log(3))
