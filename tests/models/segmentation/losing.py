"""What a detector found, what is true, and what it costs."""

import torch
from torch import Tensor

from models.segmentation.losses import Target
from models.segmentation.network import Found, Layer
from models.segmentation.proposals.network import Proposals

QUERIES, CELLS, SIDE, TEXTS, MASKS, CHANNELS = 12, 40, 8, 16, 4, 6


def some_boxes(*shape: int) -> Tensor:
    low = torch.rand(*shape, 2) * 0.7
    return torch.cat((low, low + 0.05 + torch.rand(*shape, 2) * 0.25), -1)


def a_finding(batch: int = 2, layers: int = 3) -> Found:
    """What a detector might find, each tensor a leaf that gradients are read from."""

    def free(*shape: int) -> Tensor:
        return torch.randn(*shape).requires_grad_()

    return Found(
        Proposals(some_boxes(CELLS), some_boxes(batch, CELLS).requires_grad_(), free(batch, CELLS)),
        tuple(
            Layer(
                some_boxes(batch, QUERIES).requires_grad_(), free(batch, QUERIES, TEXTS), free(batch, QUERIES)
            )
            for _ in range(layers)
        ),
        free(batch, QUERIES),
        free(batch, QUERIES, MASKS),
        free(batch, MASKS, SIDE, SIDE),
        free(batch, 1, TEXTS),
        torch.zeros(batch, QUERIES, CHANNELS),  # no loss reads these two
        torch.zeros(batch, QUERIES, 1),
    )


def a_target(things: int = 3, prompts: int = 6) -> Target:
    """Things of which each answers a prompt of its own, and prompts that nothing answers."""
    answers = torch.zeros(things, prompts, dtype=torch.bool)
    answers[torch.arange(things), torch.arange(things)] = True
    return Target(some_boxes(things), (torch.rand(things, SIDE, SIDE) > 0.5).float(), answers)


def some_texts(batch: int = 2, prompts: int = 6) -> Tensor:
    return torch.randn(prompts, TEXTS).expand(batch, -1, -1).clone().requires_grad_()


def total_of(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def moved_by(*leaves: Tensor) -> bool:
    """Whether any gradient reached them."""
    return any(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves)
