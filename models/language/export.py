"""The packaged language model as a torch module."""

from __future__ import annotations

import numpy as np
import torch

from models.export import packaged
from models.language.gguf import Gguf
from models.language.network import Llama
from models.language.tokenizer import LanguageTokenizer
from models.language.weights import FILE, PACKAGE, SHA256, arrays, shape_of


def packaged_file() -> Gguf:
    """Return the packaged file, read."""
    return Gguf.open(packaged(PACKAGE, FILE, sha256=SHA256))


def load_llama() -> Llama:
    """Return the packaged model; its adapters change nothing yet."""
    file = packaged_file()
    llama = Llama(shape_of(file))
    llama.load_base(
        {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays(file).items()}
    )
    return llama.eval()


def load_tokenizer() -> LanguageTokenizer:
    """Return the packaged tokenizer."""
    return LanguageTokenizer.from_gguf(packaged_file())
