"""What rows of names and of letters are trained by. Only what is answered counts, never the question."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def generation(likelihoods: Tensor, owner: Tensor, truth: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the true branches' tokens.

    Args:
        likelihoods: Of each token that is read, (row, read).
        owner: Which branch it belongs to, (row, read); -1 for padding.
        truth: The true branch of each row, (row).
    """
    own = owner == truth[:, None]
    return -(likelihoods * own).sum() / own.sum()


def means(likelihoods: Tensor, owner: Tensor, count: int) -> Tensor:
    """Return the mean log-likelihood of each branch's tokens, (row, branch); of none, minus infinity."""
    own = owner[:, None, :] == torch.arange(count, device=owner.device)[:, None]  # (row, branch, read)
    sums = (likelihoods[:, None] * own).sum(-1)
    return torch.where(own.any(-1), sums / own.sum(-1).clamp(min=1), -torch.inf)


def ranking(scores: Tensor, truth: Tensor, *, sharpness: float) -> Tensor:
    """Return the cross-entropy of branches that compete by their mean log-likelihoods.

    Args:
        scores: As `means` returns them.
        truth: The true branch of each row.
        sharpness: What they are multiplied with.
    """
    return functional.cross_entropy(sharpness * scores, truth)


def answers(likelihoods: Tensor, owner: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of everything that is answered.

    Args:
        likelihoods: Of each token that is read, (row, read).
        owner: -1 for padding, (row, read).
    """
    own = owner >= 0
    return -(likelihoods * own).sum() / own.sum()
