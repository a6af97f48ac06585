"""The global encoder's graphs against plain loops and against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.vision.global_encoder import fitting
from models.vision.global_encoder.export import load_reading
from models.vision.global_encoder.network import PARTS, Projection, colours, edges, gated


@pytest.fixture
def small() -> torch.Tensor:
    """Return two pictures of 56 pixels, one of them without any edge."""
    rng = np.random.default_rng(0)
    pictures = np.stack([rng.random((3, 56, 56)), np.full((3, 56, 56), 0.25)])
    return torch.from_numpy(pictures.astype(np.float32))


def test_a_picture_without_edges_has_none(small: torch.Tensor) -> None:
    assert edges(small)[1].abs().max() == 0


def test_an_upright_edge_is_in_the_bin_of_upright_edges() -> None:
    picture = torch.zeros(1, 3, 56, 56)
    picture[..., 30:] = 1

    bins = edges(picture).reshape(9, 8, 8).sum((1, 2))

    assert bins.argmax() == 0


def test_edges_do_not_depend_on_how_bright_a_strong_edge_is() -> None:
    picture = torch.zeros(1, 3, 56, 56)
    picture[..., 30:] = 1

    assert torch.allclose(edges(picture), edges(0.7 * picture), atol=0.03)


def test_colours_are_counted_softly_and_white_is_not(small: torch.Tensor) -> None:
    counted = colours(small)

    assert counted.shape == (2, 216)
    assert (counted**2).sum(1) == pytest.approx([1, 1], abs=2e-3)
    assert colours(torch.ones(1, 3, 56, 56)).max() == 0


def test_one_colour_between_steps_is_shared_by_its_neighbours(small: torch.Tensor) -> None:
    share = 1.25 - 1  # 0.25 of 5 steps

    counted = (colours(small)[1] ** 2).reshape(6, 6, 6)

    expected = [(1 - share) ** 3, share**3]
    found = [float(counted[1, 1, 1]), float(counted[2, 2, 2])]
    assert found == pytest.approx(expected, abs=2e-3)


def test_a_projection_is_a_product_of_matrices_whatever_the_batch() -> None:
    rng = np.random.default_rng(0)
    offset, weight = rng.standard_normal(7), rng.standard_normal((7, 3))
    rows = torch.from_numpy(rng.standard_normal((5, 7)).astype(np.float32))

    project = Projection(offset, weight)

    assert project(rows).numpy() == pytest.approx((rows.numpy() - offset) @ weight, abs=1e-5)
    assert torch.equal(project(rows)[2:3], project(rows[2:3]))


def test_a_short_row_is_gated_off_and_a_long_one_is_about_one_and_keeps_its_direction() -> None:
    rows = gated(torch.tensor([[6.0, 8.0], [0.1, 0.0], [0.0, 0.0], [3.5, 0.0]]))

    assert rows[0].norm() == pytest.approx(10**4 / (10**4 + 3.5**4), rel=1e-4)
    assert float(rows[0, 1] / rows[0, 0]) == pytest.approx(4 / 3, rel=1e-5)
    assert rows[1].norm() < 1e-5
    assert rows[2].tolist() == [0, 0]
    assert rows[3].norm() == pytest.approx(0.5, rel=1e-5)


def test_tones_are_gated_alike_where_models_are_fitted_and_where_they_run() -> None:
    rows = np.random.default_rng(0).normal(scale=3.5, size=(20, 5)).astype(np.float32)

    assert fitting.gated(rows) == pytest.approx(gated(torch.from_numpy(rows)).numpy(), abs=1e-6)


def test_what_is_read_from_a_crop_has_all_parts_and_does_not_depend_on_the_batch() -> None:
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8))

    with torch.inference_mode():
        rows = load_reading()(crops)
        alone = load_reading()(crops[1:])

    assert rows.shape == (2, sum(PARTS.values()))
    assert torch.isfinite(rows).all()
    assert torch.allclose(rows[1:], alone, atol=1e-4)
