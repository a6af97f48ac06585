"""Has a graph reckon one of its outputs only where an input is not all zeros."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper

_SAID: Final = "guard.said"
_NOTHING: Final = "guard.nothing"


def guard(path: Path, output: str, *, by: str, like: str) -> None:
    """Move what only one output needs into a branch; the other branch returns zeros.

    Weights stay where they are, so that they are found and unpacked as before.

    Args:
        path: Of the graph, which is written anew.
        output: Has as many axes as `like` and one more, the second axis of `by`.
        by: The input that decides: zeros alone in a batch ask for nothing.
        like: An output with the leading axes of `output`, which is needed in any case.

    Raises:
        ValueError: If nothing is needed for this output alone.
    """
    model = onnx.load_model(path, load_external_data=False)
    graph = model.graph
    others = [each.name for each in graph.output if each.name != output]
    shared = _needed(graph, others)
    weights = {tensor.name for tensor in graph.initializer}
    own = [
        place
        for place in sorted(_needed(graph, [output]) - shared)
        if not weights.issuperset(graph.node[place].input)  # what is constant is reckoned once in any case
    ]
    if not own:
        raise ValueError(f"nothing in {path} is needed for {output} alone")
    said = [graph.node[place] for place in own]
    made = {name for node in said for name in node.output}
    (declared,) = (each for each in graph.output if each.name == output)
    branch = helper.make_node(
        "If",
        ["guard.asked"],
        [output],
        "guard",
        then_branch=helper.make_graph(_renamed(said, output), "said", [], [_result(declared, _SAID)]),
        else_branch=helper.make_graph(_zeros(by, like), "nothing", [], [_result(declared, _NOTHING)]),
    )
    left = [node for place, node in enumerate(graph.node) if place not in set(own)]
    nodes = [*left, *_asked(by), branch]
    infos = [info for info in graph.value_info if info.name not in made]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.value_info.extend(infos)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _needed(graph: GraphProto, outputs: Iterable[str]) -> set[int]:
    """Return the places of the nodes that outputs are made by."""
    wanted = set(outputs)
    found = set()
    for place in range(len(graph.node) - 1, -1, -1):
        if wanted.intersection(graph.node[place].output):
            wanted.update(graph.node[place].input)
            found.add(place)
    return found


def _renamed(nodes: Iterable[NodeProto], output: str) -> list[NodeProto]:
    """Return nodes that make the result of a branch, which is called otherwise than that of the graph."""
    copies = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        for names in (copy.input, copy.output):
            names[:] = [_SAID if name == output else name for name in names]
        copies.append(copy)
    return copies


def _asked(by: str) -> list[NodeProto]:
    """Return nodes that tell whether anything is not zero."""
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    return [
        helper.make_node("Abs", [by], ["guard.size"]),
        helper.make_node("ReduceMax", ["guard.size"], ["guard.largest"], keepdims=0),
        helper.make_node("Constant", [], ["guard.zero"], value=zero),
        helper.make_node("Greater", ["guard.largest", "guard.zero"], ["guard.asked"]),
    ]


def _zeros(by: str, like: str) -> list[NodeProto]:
    """Return nodes that make zeros: of the axes of one tensor, and the second axis of another."""
    return [
        helper.make_node("Shape", [like], ["guard.leading"]),
        helper.make_node("Shape", [by], ["guard.last"], start=1, end=2),
        helper.make_node("Concat", ["guard.leading", "guard.last"], ["guard.shape"], axis=0),
        helper.make_node("ConstantOfShape", ["guard.shape"], [_NOTHING]),
    ]


def _result(declared: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    result = onnx.ValueInfoProto()
    result.CopyFrom(declared)
    result.name = name
    return result
