"""Smaller variants of a net of convolutions, and how their loss is measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from models.export import write_graph
from models.importer import description as toml
from models.importer.loss import Loss, loss_of, top_1
from models.importer.pictures import Pictures
from models.importer.refusal import Refused
from models.importer.variants import write_variant
from models.importer.work import shrink

SIDE_PX = 32


class Net(nn.Module):
    """Three convolutions and a mean."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2), nn.ReLU6(), nn.Conv2d(16, 32, 3, 2), nn.ReLU6(), nn.Conv2d(32, 48, 3)
        )

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        pixels = crops.permute(0, 3, 1, 2).to(torch.float32) / 64 - 2
        return (nn.functional.normalize(self.layers(pixels).mean((2, 3)), dim=-1),)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    folder = tmp_path / "nets" / "net" / "1"
    write_graph(
        Net().eval(),
        {"crops": torch.zeros((2, SIDE_PX, SIDE_PX, 3), dtype=torch.uint8)},
        folder=folder,
        outputs=("embeddings",),
        dynamic_axes={"crops": ("batch",)},
    )
    shape = {"crops": [-1, SIDE_PX, SIDE_PX, 3], "embeddings": [-1, 48]}
    tensor = {"layout": "any", "range": [0, 255]}
    said = {
        "format": 1,
        "name": "net",
        "version": "1",
        "title": "Net",
        "licence": "Apache-2.0",
        "source": "tests",
        "preprocessing": "None.",
        "inputs": [{"name": "crops", "dtype": "UINT8", "shape": shape["crops"], **tensor}],
        "outputs": [
            {"name": "embeddings", "dtype": "FP32", "shape": shape["embeddings"], "space": "net", **tensor}
        ],
    }
    toml.write_model(folder, said, None, {})
    return folder


def test_a_net_computes_with_bytes_and_says_what_that_costs(
    tmp_path: Path, net: Path, pictures: Pictures
) -> None:
    whole, small = shrink(net, tmp_path / "store", kind="int8", pictures=pictures)

    graph = onnx.load(tmp_path / "store" / "net-int8" / "1" / "model.onnx")
    operators = Counter(node.op_type for node in graph.graph.node)
    assert operators["DequantizeLinear"] > 6
    assert whole.loss is None
    assert small.loss is not None
    assert 0.95 < small.loss.cosine < 1
    assert small.loss.asked == 12
    assert small.megabytes < whole.megabytes
    assert "| net-int8 |" in (tmp_path / "store" / "net-int8" / "1" / "README.md").read_text()


def test_a_net_without_pictures_to_calibrate_with_is_refused(tmp_path: Path, net: Path) -> None:
    with pytest.raises(Refused, match="calibrated"):
        write_variant(net, tmp_path, "int8")


def test_a_weight_that_half_precision_cannot_hold_is_refused(
    tmp_path: Path, net: Path, pictures: Pictures
) -> None:
    model = onnx.load(net / "model.onnx")
    (tensor,) = (each for each in model.graph.initializer if list(each.dims) == [48, 32, 3, 3])
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[0, 0, 0, 0] = 1e6
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    toml.write_model(net, {k: v for k, v in toml.read(net).items() if k != "graph"}, model, {})

    with pytest.raises(Refused, match="65,504"):
        shrink(net, tmp_path / "store", kind="fp16", pictures=pictures)

    assert list((tmp_path / "store").iterdir()) == []


def test_pictures_that_calibrate_are_not_those_that_judge(pictures: Pictures) -> None:
    remembered, asked = pictures.pairs()

    assert not set(pictures.first(100)) & {*remembered, *asked}
    assert [path.stem for path in remembered] == [path.stem for path in asked]


def test_loss_is_counted_in_cosines_neighbours_and_points() -> None:
    rows = np.eye(4, dtype=np.float32)
    turned = rows[[1, 0, 2, 3]]

    same, other = loss_of(rows, rows), loss_of(rows, turned)

    assert (same.cosine, same.least_cosine, same.kept) == (1, 1, 1)
    assert (other.cosine, other.least_cosine) == (0.5, 0)
    assert top_1(rows, turned) == 0.5
    assert "top-1 90.0% to 85.0% (+5.0 points lost, n = 20)" in Loss(9, 1.0, 1.0, 1.0, 0.9, 0.85, 20).words
