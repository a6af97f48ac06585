import math

import torch
from torch import Tensor

from models.segmentation.attention.network import DeformableAttention, Values, attend


def read(value: Tensor, x: float, y: float) -> Tensor:
    """Read a map (c, h, w) between its cells, one cell after the other."""
    height, width = value.shape[1:]
    column, row = x * width - 0.5, y * height - 0.5
    total = torch.zeros(value.shape[0], dtype=value.dtype)
    for cell_y in (math.floor(row), math.floor(row) + 1):
        for cell_x in (math.floor(column), math.floor(column) + 1):
            if 0 <= cell_y < height and 0 <= cell_x < width:
                share = (1 - abs(row - cell_y)) * (1 - abs(column - cell_x))
                total = total + share * value[:, cell_y, cell_x]
    return total


def loop(values: list[Tensor], points: Tensor, weights: Tensor) -> Tensor:
    """Do what `attend` does, one point after the other."""
    batch, queries, heads, levels, count, _ = points.shape
    channels = values[0].shape[2]
    found = torch.zeros(batch, queries, heads, channels, dtype=values[0].dtype)
    for image, query, head, level, point in torch.cartesian_prod(
        *map(torch.arange, (batch, queries, heads, levels, count))
    ).tolist():
        x, y = points[image, query, head, level, point].tolist()
        share = weights[image, query, head, level, point]
        found[image, query, head] += share * read(values[level][image, head], x, y)
    return found.flatten(2)


def drawn(dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = [torch.rand(2, 3, 4, *size, generator=generator, dtype=dtype) for size in ((7, 5), (3, 4))]
    points = 1.4 * torch.rand(2, 4, 3, 2, 2, 2, generator=generator, dtype=dtype) - 0.2  # some lie outside
    weights = torch.rand(2, 4, 3, 2, 2, generator=generator, dtype=dtype)
    return values, points, weights


def test_reading_all_points_at_once_equals_a_loop_over_them() -> None:
    values, points, weights = drawn()

    torch.testing.assert_close(
        attend(values, points, weights), loop(values, points, weights), atol=1e-5, rtol=0
    )


def test_gradients_are_those_of_small_differences() -> None:
    values, points, weights = drawn(torch.float64)
    given = [each.requires_grad_() for each in (*values, points, weights)]

    assert torch.autograd.gradcheck(
        lambda first, second, at, shares: attend([first, second], at, shares)[:, :2], given
    )


def test_before_it_has_learnt_each_head_looks_along_a_ray_of_its_own() -> None:
    heads = 4
    attention = DeformableAttention(8, heads=heads, levels=1, points=2)
    offsets = attention.offsets(torch.rand(1, 1, 8)).reshape(heads, 2, 2)

    torch.testing.assert_close(offsets[:, 0], torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]]))
    torch.testing.assert_close(offsets[:, 1], 2 * offsets[:, 0])


def test_a_query_on_an_even_map_sees_what_is_everywhere() -> None:
    torch.manual_seed(0)
    attention = DeformableAttention(8, heads=2, levels=2, points=3)
    project = Values(8, heads=2)
    colour = torch.rand(8)
    maps = [colour[:, None, None].expand(1, 8, side, side).clone() for side in (16, 8)]
    centres, reach = torch.full((1, 5, 2), 0.5), torch.full((1, 1, 2, 2), 0.05)

    found = attention(torch.rand(1, 5, 8), centres, reach, project(maps))

    expected = attention.output(project.project.weight[:, :, 0, 0] @ colour)
    torch.testing.assert_close(found, expected.expand(1, 5, 8), atol=1e-5, rtol=0)
