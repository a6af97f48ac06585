import pytest
import torch
from torch import Tensor

from models.segmentation.fusion.network import Fusion


@pytest.fixture
def fusion() -> Fusion:
    torch.manual_seed(0)
    return Fusion(12, 20, joint=16, heads=4).eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 9, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def sentences() -> Tensor:
    return torch.randn(2, 5, 20, generator=torch.Generator().manual_seed(2))


def test_a_scale_of_nought_changes_nothing(fusion: Fusion, image: Tensor, sentences: Tensor) -> None:
    torch.nn.init.zeros_(fusion.image_scale)
    torch.nn.init.zeros_(fusion.text_scale)

    found = fusion(image, sentences)

    torch.testing.assert_close(found, (image, sentences), atol=0, rtol=0)


def test_what_is_added_starts_at_a_sixth(fusion: Fusion) -> None:
    scales = torch.cat([fusion.image_scale, fusion.text_scale])

    torch.testing.assert_close(scales, torch.full_like(scales, 1 / 6))


def test_all_that_one_looks_at_adds_up_to_one(fusion: Fusion, image: Tensor, sentences: Tensor) -> None:
    sentences[1, 2:] = 0

    for weights in fusion.attention(image, sentences):
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_the_order_of_sentences_is_the_order_of_what_becomes_of_them(
    fusion: Fusion, image: Tensor, sentences: Tensor
) -> None:
    order = torch.tensor([3, 1, 4, 0, 2])
    expected_image, expected = fusion(image, sentences)

    found_image, found = fusion(image, sentences[:, order])

    torch.testing.assert_close(found, expected[:, order])
    torch.testing.assert_close(found_image, expected_image)


def test_the_token_of_names_stays_as_it_is_to_the_bit_and_sentences_do_not(
    fusion: Fusion, image: Tensor, sentences: Tensor
) -> None:
    token = torch.zeros(2, 1, 20)

    assert torch.equal(fusion(image, token)[1], token)
    assert not torch.isclose(fusion(image, sentences)[1], sentences).any(-1).all()


def test_the_token_of_names_tells_every_picture_the_same(fusion: Fusion, image: Tensor) -> None:
    added = fusion(image, torch.zeros(2, 1, 20))[0] - image

    torch.testing.assert_close(added, added[:1, :1].expand_as(added))


def test_rows_of_zeros_beside_sentences_are_nothing(fusion: Fusion, image: Tensor, sentences: Tensor) -> None:
    filled = torch.cat([sentences, torch.zeros(2, 3, 20)], 1)
    expected_image, expected = fusion(image, sentences)

    found_image, found = fusion(image, filled)

    torch.testing.assert_close(found_image, expected_image)
    torch.testing.assert_close(found[:, :5], expected)
    assert torch.equal(found[:, 5:], filled[:, 5:])


def test_a_picture_does_not_feel_its_company(fusion: Fusion, image: Tensor, sentences: Tensor) -> None:
    sentences[1] *= 100
    together = fusion(image, sentences)

    torch.testing.assert_close(
        [each[:1] for each in together], list(fusion(image[:1], sentences[:1])), atol=1e-5, rtol=0
    )


def test_however_large_what_is_compared_gets_numbers_come_out(
    fusion: Fusion, image: Tensor, sentences: Tensor
) -> None:
    torch.nn.init.constant_(fusion.image_query.weight, 1e10)
    torch.nn.init.constant_(fusion.text_key.weight, 1e10)

    assert all(torch.isfinite(each).all() for each in fusion(image, sentences))


def test_what_is_compared_is_held_within_fifty_thousand_of_the_largest(
    fusion: Fusion, image: Tensor, sentences: Tensor
) -> None:
    torch.nn.init.normal_(fusion.image_query.weight, std=1e6)

    _, of_cells = fusion.attention(image, sentences)

    far_off = torch.isclose(of_cells, torch.tensor(1 / 9)).all(-1)  # all nine cells are as little as may be
    assert far_off.any()
    assert not far_off.all()
