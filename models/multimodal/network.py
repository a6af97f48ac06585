"""The multimodal model: from what the global encoder says of a picture to tokens, and what follows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.language.network import Linear, Llama
from models.multimodal.data import Inputs

VISUAL: Final = 389
NAME: Final = 640
WIDTH: Final = 576


class Projector(nn.Module):
    """A linear map that was solved for, and a perceptron that learns what to add to it.

    Args:
        tokens: That a picture becomes.
        hidden: Width of the perceptron.
        width: Of a token.
    """

    def __init__(self, tokens: int, hidden: int, width: int = WIDTH) -> None:
        super().__init__()
        self.tokens = tokens
        self.linear = nn.Linear(VISUAL + NAME, tokens * width)
        self.inner = nn.Linear(VISUAL + NAME, hidden)
        self.outer = nn.Linear(hidden, tokens * width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, embeddings: Tensor, names: Tensor) -> Tensor:
        """Return tokens (n, token, width) of embeddings (n, 389) and names (n, 640)."""
        both = torch.cat([embeddings, names], 1)
        added = self.outer(functional.gelu(self.inner(both)))
        return (self.linear(both) + added).unflatten(1, (self.tokens, -1))

    @torch.no_grad()
    def begin_as(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Take the linear map, weight (feature, token * width) and bias (token * width)."""
        self.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T, dtype=np.float32)))
        self.linear.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias, dtype=np.float32)))


class Multimodal(nn.Module):
    """A projector, and the language model that it speaks to.

    Args:
        projector: Learns.
        llama: Its adapters learn, nothing else.
    """

    def __init__(self, projector: Projector, llama: Llama) -> None:
        super().__init__()
        self.projector = projector
        self.llama = llama

    def forward(self, inputs: Inputs, embeddings: Tensor, names: Tensor, *, frozen: int = 0) -> Tensor:
        """Return the log-likelihood of each token that is read, (row, read)."""
        return self.after(inputs, self.projector(embeddings, names), frozen=frozen)

    def after(self, inputs: Inputs, image: Tensor, *, frozen: int = 0) -> Tensor:
        """Return the same behind the tokens of pictures, (row, token, width)."""
        embedded = self.llama.embed(inputs.ids, image.float(), inputs.places).float()
        hidden = self.llama.hidden(embedded, inputs.positions, inputs.mask, inputs.reads, frozen=frozen)
        likelihoods = self.llama.logits(hidden).float().log_softmax(-1)
        return likelihoods.gather(-1, inputs.wanted[..., None])[..., 0]

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each part that a stage may train."""
        adapter = list(self.llama.adapter().values())
        return {"projector": list(self.projector.parameters()), "adapter": adapter}


class Learned(nn.Module):
    """What is trained, and so what a checkpoint holds: not the weights of the package.

    Args:
        model: Whole.
    """

    def __init__(self, model: Multimodal) -> None:
        super().__init__()
        self.projector = model.projector
        self.adapter = nn.ParameterDict(
            {name.replace(".", "/"): value for name, value in model.llama.adapter().items()}
        )


@contextmanager
def narrow() -> Iterator[None]:
    """Compute matrix products in 16 bits where the processor is faster so, and attention step by step."""
    attention = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with torch.autocast("cuda" if torch.cuda.is_available() else "cpu", torch.bfloat16), attention:
        yield


def narrowed(llama: Llama) -> Llama:
    """Return the model with the matrices that stay held in 16 bits: half the memory, no casts."""
    for module in llama.modules():
        if isinstance(module, (Linear, nn.Embedding)):
            module.weight.data = module.weight.data.bfloat16()
    return llama
