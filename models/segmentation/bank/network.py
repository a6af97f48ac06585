"""A bank of texts that earlier pictures were asked for, and that later ones are therefore told to reject.

Source: APE (Shen et al., arXiv 2312.02153): the phrases of one picture are few, and most detectors never
learn that a phrase can be about nothing. Its bank appends the latest phrases of other pictures of the same
data set, up to a capacity. It is no part of what was learnt: the weights do not have it, and inference
empties it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

_SAME: Final = 0.999
"""Cosine from which on two vectors are of the same text."""


class Bank(nn.Module):
    """The latest texts of each data set, first in, first out.

    Args:
        data_sets: Names; each has a bank of its own.
        capacity: Texts that each holds.
        texts: Dimensions of a text's vector.
    """

    vectors: Tensor
    subjects: Tensor

    def __init__(self, data_sets: Sequence[str], *, capacity: int = 256, texts: int = 640) -> None:
        super().__init__()
        self._places = {name: place for place, name in enumerate(data_sets)}
        self._capacity = capacity
        self._held = [0] * len(data_sets)
        shape = (len(data_sets), capacity)
        self.register_buffer("vectors", torch.zeros(*shape, texts), persistent=False)
        self.register_buffer("subjects", torch.zeros(*shape, dtype=torch.int64), persistent=False)

    def remember(
        self, data_set: str, vectors: Float[Tensor, "n texts"], subjects: Int64[Tensor, "n"]
    ) -> None:
        """Append texts; the oldest go when there are too many, and the older of two that are the same.

        Args:
            data_set: Whose.
            vectors: Of any length.
            subjects: Number of what each is about, the same for all texts that may be true of one thing:
                "red apple" and "the largest apple" both are about apples.
        """
        if not self.training:
            return
        place = self._places[data_set]
        old, about = self._of(place)
        older = _differ(old, vectors)
        kept = torch.cat((old[older], vectors.detach()))[-self._capacity :]
        about = torch.cat((about[older], subjects))[-self._capacity :]
        self.vectors[place, : len(kept)] = kept
        self.subjects[place, : len(kept)] = about
        self._held[place] = len(kept)

    def negatives(
        self, data_set: str, vectors: Float[Tensor, "n texts"], subjects: Int64[Tensor, "s"]
    ) -> Float[Tensor, "k texts"]:
        """Return what can be rejected, oldest first: nothing that the pictures are asked for or may hold.

        Args:
            data_set: Whose bank.
            vectors: What the pictures are asked for.
            subjects: Of all that they hold.
        """
        held, about = self._of(self._places[data_set])
        return held[_differ(held, vectors) & ~torch.isin(about, subjects)]

    def held(self, data_set: str) -> tuple[Float[Tensor, "n texts"], Int64[Tensor, "n"]]:
        """Return the texts of a data set and what each is about, as `remember` takes them."""
        return self._of(self._places[data_set])

    def train(self, mode: bool = True) -> Bank:  # noqa: FBT001, FBT002  (torch's signature)
        """Set the mode; inference empties the bank."""
        if not mode:
            self.vectors.zero_()
            self.subjects.zero_()
            self._held = [0] * len(self._held)
        super().train(mode)
        return self

    def _of(self, place: int) -> tuple[Tensor, Tensor]:
        held = self._held[place]
        return self.vectors[place, :held], self.subjects[place, :held]


def _differ(some: Float[Tensor, "n texts"], others: Float[Tensor, "m texts"]) -> Tensor:
    """Return which of some texts are the same as none of the others."""
    cosine = functional.normalize(some, dim=-1) @ functional.normalize(others, dim=-1).T  # (n, m)
    return (cosine < _SAME).all(1)
