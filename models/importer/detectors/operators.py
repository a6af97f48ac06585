"""Operators that transformers' GroundingDINO uses and torch's exporter does not know, in those of ONNX.

It cuts a text into its prompts by the places of the separators before and after each token: running maxima
and minima over rows of whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from onnx import TensorProto
from onnxscript import opset20 as op

_LEAST: Final = -(2**62)


def _is_in(elements: Any, test_elements: Any, **_how: bool) -> Any:
    """Return which elements are among others."""
    same = op.Equal(op.Unsqueeze(elements, op.Constant(value_ints=[-1])), test_elements)
    any_of = op.ReduceMax(op.Cast(same, to=TensorProto.INT32), op.Constant(value_ints=[-1]), keepdims=0)
    return op.Cast(any_of, to=TensorProto.BOOL)


def _running_maximum(rows: Any, dim: int) -> Any:
    """Return of each number of a row the largest up to there; places are not asked for.

    Raises:
        ValueError: It is wanted along another axis than the second of two.
    """
    if dim not in {1, -1}:
        raise ValueError(f"running along axis {dim} is not known here")
    places = op.Range(
        op.Constant(value_int=0),
        op.Squeeze(op.Shape(rows, start=1, end=2)),
        op.Constant(value_int=1),
    )
    until = op.LessOrEqual(
        op.Unsqueeze(places, op.Constant(value_ints=[0])), op.Unsqueeze(places, op.Constant(value_ints=[1]))
    )  # (place, earlier place)
    seen = op.Where(until, op.Unsqueeze(rows, op.Constant(value_ints=[1])), op.Constant(value_int=_LEAST))
    largest = op.ReduceMax(seen, op.Constant(value_ints=[2]), keepdims=0)
    return largest, largest


def _running_minimum(rows: Any, dim: int) -> Any:
    """As `_running_maximum`."""
    largest, _ = _running_maximum(op.Neg(rows), dim)
    return op.Neg(largest), op.Neg(largest)


def _all_true(conditions: Any) -> Any:
    """Return whether all are true."""
    return op.Cast(op.ReduceMin(op.Cast(conditions, to=TensorProto.INT32), keepdims=0), to=TensorProto.BOOL)


OPERATORS: Final[Mapping[Callable[..., Any], Callable[..., Any]]] = {
    torch.ops.aten.isin.Tensor_Tensor: _is_in,
    torch.ops.aten.cummax.default: _running_maximum,
    torch.ops.aten.cummin.default: _running_minimum,
    torch.ops.aten._is_all_true.default: _all_true,  # noqa: SLF001  (its public name)
}
