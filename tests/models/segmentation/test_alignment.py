import math

import pytest
import torch
from torch import Tensor

from models.segmentation.alignment.network import Alignment, score


def published(head: Alignment, regions: Tensor, texts: Tensor) -> Tensor:
    """The head as the paper's code computes it, texts on their own side."""
    unit = torch.nn.functional.normalize(texts, dim=-1)
    projected = unit / 2 @ head.text.weight.T + head.text.bias
    shift = unit @ head.text_shift + head.start
    logits = regions @ projected.transpose(-1, -2) / head.log_scale.exp() + shift[:, None]
    return logits.clamp(-50_000, 50_000)


def scored(head: Alignment, regions: Tensor, texts: Tensor) -> Tensor:
    queries, offsets = head(regions)
    return score(queries, offsets, texts)


def disturbed(width: int, texts: int) -> Alignment:
    torch.manual_seed(0)
    head = Alignment(width, texts)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def test_a_region_of_zeros_has_the_score_that_all_start_with() -> None:
    head = Alignment(8, 6)

    logits = scored(head, torch.zeros(1, 3, 8), torch.rand(1, 5, 6))

    assert logits.detach().numpy() == pytest.approx(-4.595120, abs=1e-6)
    assert torch.sigmoid(logits).detach().numpy() == pytest.approx(0.01)


def test_what_is_learnt_starts_as_published() -> None:
    head = Alignment(8, 6)

    assert not head.log_scale.any()
    assert not head.text_shift.any()
    assert head.start.item() == pytest.approx(-4.595120, abs=1e-6)


def test_a_logit_equals_its_calculation_by_hand() -> None:
    head = Alignment(2, 2)
    with torch.no_grad():
        head.text.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        head.text.bias.copy_(torch.tensor([0.5, -0.5]))
        head.text_shift.copy_(torch.tensor([0.1, 0.2]))
        head.log_scale.fill_(math.log(2))
    # p̂ = (0.6, 0.8); W p̂/2 + b = (1.1 + 0.5, 2.5 - 0.5); O · that = 1 * 1.6 + 2 * 2 = 5.6; 2.8 of it;
    # p̂ · β = 0.06 + 0.16
    expected = 2.8 + 0.22 - 4.595120

    found = scored(head, torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 4.0]]]))

    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_folded_onto_the_regions_it_is_the_published_head() -> None:
    head = disturbed(128, 640)
    regions, texts = torch.randn(2, 10, 128), torch.randn(2, 7, 640)

    torch.testing.assert_close(
        scored(head, regions, texts), published(head, regions, texts), atol=1e-4, rtol=1e-5
    )


def test_folded_it_is_the_published_head_to_a_hundred_thousandth_as_it_starts() -> None:
    torch.manual_seed(0)
    head = Alignment(128, 640)
    regions, texts = torch.randn(2, 10, 128), torch.randn(2, 7, 640)

    torch.testing.assert_close(
        scored(head, regions, texts), published(head, regions, texts), atol=1e-5, rtol=0
    )


def test_logits_are_held() -> None:
    queries, offsets = torch.zeros(1, 2, 3), torch.tensor([[1e6, -1e6]])

    assert score(queries, offsets, torch.ones(1, 1, 3)).flatten().tolist() == [50_000, -50_000]


def test_the_length_of_a_text_is_nothing_to_its_score() -> None:
    queries, offsets, texts = torch.rand(1, 2, 3), torch.rand(1, 2), torch.rand(1, 4, 3)

    torch.testing.assert_close(score(queries, offsets, texts), score(queries, offsets, 7 * texts))


def test_a_text_scores_the_same_whatever_the_others_are() -> None:
    torch.manual_seed(0)
    queries, offsets = torch.randn(1, 100, 640), torch.randn(1, 100)
    names, others = torch.randn(1, 5, 640), torch.randn(1, 1000, 640)
    alone = score(queries, offsets, names)

    among = score(queries, offsets, torch.cat([others, names.flip(1)], 1))[..., 1000:]

    torch.testing.assert_close(among.flip(-1), alone, atol=1e-5, rtol=0)
