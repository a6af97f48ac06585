"""The ranker's graph says what the torch module says, whatever adapter is in it."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from models.export import GRAPH, compare, packaged
from models.language.export import FOLDER, TOLERANCE, example, load_llama, write_served
from models.language.gguf import Gguf
from models.language.network import SCALE, Llama
from models.language.served.packing import packed
from models.language.weights import FILE, PACKAGE, SHA256, arrays, shape_of
from tests.fakes.gguf_files import write_language


def adapter_in(graph: Path) -> dict[str, Tensor]:
    """Return the adapter that a graph has, as the torch module takes it."""
    model = onnx.load_model(graph, load_external_data=False)
    found = {}
    for tensor in model.graph.initializer:
        if tensor.name.endswith((".down", ".up")):
            value = torch.from_numpy(numpy_helper.to_array(tensor).T.copy())
            found[tensor.name] = value / SCALE if tensor.name.endswith(".up") else value
    return found


def test_the_shipped_graph_says_what_torch_says_with_the_adapter_that_is_in_it() -> None:
    llama = load_llama()
    llama.load_adapter(adapter_in(FOLDER / GRAPH))
    inputs = example(llama, batch=2, tokens=41, seed=7)
    with torch.inference_mode():
        expected = [llama(*inputs.values()).numpy()]

    given = {name: tensor.numpy() for name, tensor in inputs.items()}
    weights = packed(packaged(PACKAGE, FILE, sha256=SHA256))
    compare(FOLDER, given, expected, tolerance=TOLERANCE, external=weights)


def test_a_small_model_with_a_trained_adapter_is_written_exactly(tmp_path: Path) -> None:
    path = write_language(tmp_path / "small.gguf")
    file = Gguf.open(path)
    llama = Llama(shape_of(file))
    llama.load_base({name: torch.from_numpy(array) for name, array in arrays(file).items()})
    generator = torch.Generator().manual_seed(0)
    llama.load_adapter(
        {name: torch.randn(value.shape, generator=generator) / 8 for name, value in llama.adapter().items()}
    )
    weights = packed(path)
    left_out = write_served(llama.eval(), weights, tmp_path / "graph")
    inputs = example(llama, batch=4, tokens=13, seed=3)
    with torch.inference_mode():
        expected = [llama(*inputs.values()).numpy()]

    assert set(left_out) == weights.keys()
    given = {name: tensor.numpy() for name, tensor in inputs.items()}
    compare(tmp_path / "graph", given, expected, tolerance=1e-4, external=weights)
    assert (np.abs(expected[0]) > 0).all()
