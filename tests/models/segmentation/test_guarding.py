"""What only one output needs is not reckoned where nothing is asked, and is the same where something is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.segmentation.guarding.export import guard

ROWS, WIDTH = 3, 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a graph: `offsets` from pictures, and `relations` from them and sentences, by a product."""
    weights = np.random.default_rng(0).standard_normal((WIDTH, ROWS)).astype(np.float16)
    shapes = {"images": ["n", ROWS], "sentences": ["n", "s", WIDTH]}
    made = {"offsets": ["n", ROWS], "relations": ["n", ROWS, "s"]}
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["weights.half"], ["weights"], to=TensorProto.FLOAT),
            helper.make_node("Exp", ["images"], ["seen"]),
            helper.make_node("Neg", ["seen"], ["offsets"]),
            helper.make_node("MatMul", ["sentences", "weights"], ["read"]),
            helper.make_node("Transpose", ["read"], ["turned"], perm=[0, 2, 1]),
            helper.make_node("Constant", [], ["two"], value_ints=[2]),
            helper.make_node("Unsqueeze", ["seen", "two"], ["wide"]),
            helper.make_node("Mul", ["turned", "wide"], ["relations"]),
        ],
        "two",
        [tensor(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [tensor(name, TensorProto.FLOAT, shape) for name, shape in made.items()],
        [numpy_helper.from_array(weights, "weights.half")],
    )
    path = tmp_path / "model.onnx"
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path
    )
    return path


def run(path: Path, images: np.ndarray, sentences: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {"images": images, "sentences": sentences})
    return found


@pytest.mark.parametrize("asked", [0.0, 1.0])
def test_a_guarded_graph_says_the_same(path: Path, asked: float) -> None:
    rng = np.random.default_rng(1)
    images, sentences = (rng.standard_normal(shape, dtype=np.float32) for shape in ((2, ROWS), (2, 5, WIDTH)))
    sentences[1:] *= 0
    sentences *= asked
    before = run(path, images, sentences)

    guard(path, "relations", by="sentences", like="offsets")

    for was, now in zip(before, run(path, images, sentences), strict=True):
        np.testing.assert_array_equal(now, was)


def test_what_one_output_needs_alone_is_in_a_branch_and_weights_are_not(path: Path) -> None:
    guard(path, "relations", by="sentences", like="offsets")

    graph = onnx.load_model(path).graph
    (branch,) = (node for node in graph.node if node.op_type == "If")
    then = next(each.g for each in branch.attribute if each.name == "then_branch")
    assert [node.op_type for node in then.node] == ["MatMul", "Transpose", "Unsqueeze", "Mul"]
    assert {"Cast", "Exp", "Neg"} <= {node.op_type for node in graph.node}
    assert [tensor.name for tensor in graph.initializer] == ["weights.half"]


def test_an_output_that_needs_nothing_of_its_own_cannot_be_guarded(path: Path) -> None:
    model = onnx.load_model(path)
    model.graph.output.append(helper.make_tensor_value_info("read", TensorProto.FLOAT, ["n", "s", ROWS]))
    del model.graph.output[1]
    model.graph.output.append(helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", ROWS]))
    onnx.save_model(model, path)

    with pytest.raises(ValueError, match="seen alone"):
        guard(path, "seen", by="sentences", like="offsets")
