"""From a torch module to a graph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.export import GRAPH, compare, write_graph


class Halves(nn.Module):
    """Takes bytes, gives two things."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(4, 3, generator=generator))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        halves = crops.to(torch.float32) / 2
        return halves, halves @ self.weight


def _written(folder: Path, *, seed: int = 0) -> Path:
    write_graph(
        Halves(seed).eval(),
        {"crops": torch.zeros((2, 4), dtype=torch.uint8)},
        folder=folder,
        outputs=("halves", "products"),
        dynamic_axes={"crops": ("batch",)},
    )
    return folder


def _expected(crops: np.ndarray, *, seed: int = 0) -> list[np.ndarray]:
    with torch.inference_mode():
        return [output.numpy() for output in Halves(seed)(torch.from_numpy(crops))]


def test_a_graph_gives_what_the_module_gives_for_any_batch(tmp_path: Path) -> None:
    crops = np.arange(20, dtype=np.uint8).reshape(5, 4)

    compare(_written(tmp_path), {"crops": crops}, _expected(crops), tolerance=1e-5)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = _written(tmp_path / "first"), _written(tmp_path / "second")

    assert (first / GRAPH).read_bytes() == (second / GRAPH).read_bytes()


def test_a_graph_of_other_weights_is_refused(tmp_path: Path) -> None:
    crops = np.arange(8, dtype=np.uint8).reshape(2, 4)

    with pytest.raises(AssertionError, match="products"):
        compare(_written(tmp_path), {"crops": crops}, _expected(crops, seed=1), tolerance=1e-3)
