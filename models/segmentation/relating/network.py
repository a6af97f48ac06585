"""Tells things of one name apart by what a phrase says of them: colour, size, place, order, number.

A sentence's vector is near to that of the noun in it, so the product of regions and texts finds the right
kind of thing and hardly the right one of them. Here each pair of region and phrase gets a number that is
added to its logit. What the phrase says is read from its vector as cues (`cues.py`), which are taught by
themselves; where a thing stands among those that the phrase may mean is read from all pairs of regions, by
their relative geometry (relation networks, arXiv 1711.11575). APE has no such part: its fusion is trained
on millions of phrases.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.segmentation.fusion.network import given
from models.segmentation.proposals.network import middles, overlaps
from models.segmentation.relating.cues import CUES
from models.segmentation.settings import DetectorSettings

_PLACE = 10
_APART = 8
_LEAST = 1e-3
_SAME = 0.5
"""Overlap of two boxes from which on they are taken for one thing."""
_STEEP = 15.0
_SOFT_LOGIT = 3.0


class Cues(nn.Module):
    """Reads from a sentence's vector which cues it says, whatever its noun.

    Args:
        settings: Its sizes.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self._scale = math.sqrt(settings.texts)  # the elements of a unit vector are small
        self.layers = nn.Sequential(
            nn.Linear(settings.texts, settings.cue_hidden),
            nn.GELU(),
            nn.Dropout(settings.cue_dropout),
            nn.Linear(settings.cue_hidden, settings.cue_hidden),
            nn.GELU(),
            nn.Dropout(settings.cue_dropout),
            nn.Linear(settings.cue_hidden, len(CUES)),
        )

    def forward(self, sentences: Float[Tensor, "*n texts"]) -> Float[Tensor, "*n cues"]:
        """Return the logit of each cue."""
        return self.layers(sentences * self._scale)


class Relations(nn.Module):
    """Says of each region and phrase how far the region is what the phrase says; at the start, nothing.

    Args:
        settings: Its sizes.
        channels: Of what is seen of a region.
    """

    def __init__(self, settings: DetectorSettings, channels: int) -> None:
        super().__init__()
        width, heads, kinds = settings.width, settings.relation_heads, settings.relation_kinds
        self._heads = heads
        self.cues = Cues(settings)
        self.see = nn.Sequential(
            nn.Linear(channels + _PLACE, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width)
        )
        self.say = nn.Sequential(
            nn.Linear(len(CUES), width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width)
        )
        self.meant = nn.Linear(width, heads * width)
        self.meant_any = nn.Linear(width, heads)
        self.named = nn.Parameter(torch.full((heads,), 0.5))
        self.apart = nn.Sequential(nn.Linear(_APART, 32), nn.GELU(), nn.Linear(32, kinds))
        self.region = nn.Linear(width, width)
        self.phrase = nn.Linear(width, width)
        self.both = nn.ModuleList([nn.Linear(width, width, bias=False) for _ in range(2)])
        self.others = nn.Linear(heads * (kinds + 1) + 1, width)
        self.output = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        nn.init.zeros_(self.output[-1].weight)
        nn.init.zeros_(self.output[-1].bias)

    def forward(
        self,
        seen: Float[Tensor, "b q channels"],
        boxes: Float[Tensor, "b q 4"],
        sentences: Float[Tensor, "b s texts"],
        logits: Float[Tensor, "b q s"],
    ) -> Float[Tensor, "b q s"]:
        """Return what is to be added to the logits; nothing for rows of zeros, which are no sentences.

        Args:
            seen: Of each region.
            boxes: Left, top, right, bottom as shares of the side.
            sentences: As they were given.
            logits: Of regions and sentences as they are without this.
        """
        regions = self.see(torch.cat([seen, _place(boxes)], -1))  # (b, q, width)
        phrases = self.say(torch.sigmoid(self.cues(sentences)))  # (b, s, width)
        first, second = self.both
        others = self._others(regions, phrases, boxes, logits)
        joint = first(regions)[:, :, None] * second(phrases)[:, None]
        pairs = joint + self.region(regions)[:, :, None] + self.phrase(phrases)[:, None] + self.others(others)
        return self.output(pairs)[..., 0] * given(sentences)[:, None]

    def _others(
        self,
        regions: Float[Tensor, "b q width"],
        phrases: Float[Tensor, "b s width"],
        boxes: Float[Tensor, "b q 4"],
        logits: Float[Tensor, "b q s"],
    ) -> Float[Tensor, "b q s others"]:
        """Return how each region stands to those that each phrase may mean: the sums over them."""
        (b, q, _), s = regions.shape, phrases.shape[1]
        overlap = overlaps(boxes)
        copies = (overlap > _SAME).to(regions.dtype).sum(2).clamp(min=1)
        asked = self.meant(phrases).reshape(b, s * self._heads, -1)  # (b, s * heads, width)
        fits = (regions @ asked.transpose(1, 2) / math.sqrt(regions.shape[-1])).reshape(b, q, s, self._heads)
        fits = fits + self.named * logits[..., None] + self.meant_any(regions)[:, :, None]
        weights = torch.sigmoid(fits) / copies[..., None, None]  # (b, j, s, heads): a thing counts once
        kinds = self.apart(_apart(boxes, overlap))  # (b, q, j, kinds)
        sums = kinds.transpose(2, 3) @ weights.flatten(2)[:, None]  # (b, q, kinds, s * heads)
        sums = sums.reshape(b, q, -1, s, self._heads).permute(0, 1, 3, 4, 2).flatten(3)
        count = weights.sum(1, keepdim=True).expand(-1, q, -1, -1)
        return torch.cat([sums, count, logits[..., None] / _SOFT_LOGIT], -1)


def _place(boxes: Float[Tensor, "b q 4"]) -> Float[Tensor, "b q 10"]:
    """Return where each box stands in the square and how large it is, plainly and steeply."""
    middle, size = middles(boxes).chunk(2, dim=-1)
    size = size.clamp(min=_LEAST)
    off = 2 * middle - 1
    return torch.cat(
        [
            off,
            off.abs(),
            off.abs().amax(-1, keepdim=True),
            torch.tanh(_STEEP * off / 3),
            torch.log(size) / 2 + 1,
            torch.log(size.prod(-1, keepdim=True)) / 4 + 1,
        ],
        -1,
    )


def _apart(boxes: Float[Tensor, "b q 4"], overlap: Float[Tensor, "b q q"]) -> Float[Tensor, "b q q 8"]:
    """Return how each box stands to each other one: how far off, how much larger, whether the same."""
    middle, size = middles(boxes).chunk(2, dim=-1)
    area = torch.log(size.clamp(min=_LEAST).prod(-1)) / 2
    off = middle[:, :, None] - middle[:, None]  # (b, q, j, 2)
    larger = (area[:, :, None] - area[:, None])[..., None]
    shares = overlap[..., None]
    return torch.cat(
        [
            2 * off,
            torch.tanh(_STEEP * off),
            larger,
            torch.tanh(_STEEP / 2 * larger),
            shares,
            (shares > _SAME).to(shares.dtype),
        ],
        -1,
    )
