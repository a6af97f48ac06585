"""What the detector is trained to be good at.

Source: APE (Shen et al., arXiv 2312.02153): focal loss for words, L1 and generalised overlap for boxes,
cross-entropy and dice for masks, for every layer of the decoder and for the encoder's proposals. Beyond it,
the vector that a region is compared with texts by learns to point where another network, which never saw
the scene, points for the same thing by itself: so names that were never trained on come along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from models.segmentation.alignment.network import score
from models.segmentation.assignment.losses import NONE, Assignment, assign, iou, sampled
from models.segmentation.crowds.losses import Crowds, spared_in
from models.segmentation.masking.network import mask_logits
from models.segmentation.measures.losses import around, dice, direction, distance, focal, giou, pixelwise
from models.segmentation.network import Found, Layer
from models.segmentation.proposals.network import Proposals

_REACH: Final = 0.2
"""Of a true box's sides, beyond which its mask is not looked at; boxes that are found are off by less."""


class Supervision(Enum):
    """What of a picture's truth can be learned from."""

    FULL = (True, True, True)
    """All of it: everything in the picture is boxed, masked and named."""
    WEAK = (True, False, False)
    """The words alone: the boxes only say roughly where."""
    AGNOSTIC = (False, True, True)
    """All but the words: everything is boxed and masked, but nobody knows what it is."""
    REFERRING = (True, True, False)
    """What was spoken of; there may be more that is boxed nowhere."""

    def __init__(self, words: bool, places: bool, everything: bool) -> None:  # noqa: FBT001
        self.words = words
        self.places = places
        self.everything = everything


@dataclass(frozen=True, eq=False)
class Target:
    """The truth about one picture.

    Attributes:
        boxes: Left, top, right, bottom as shares of the square.
        masks: 0 to 1, in the size of the detector's masks; whatever is not `places` may have zeros.
        answers: Which prompts of the batch are true of each thing.
        verified: Prompts that are known to be present or absent; None: all. What is not verified never
            counts against a box. Rows of `texts` that only fill up the batch are never verified.
        federated: Of the absent prompts, only a sample counts (`Weights.negatives`), as in data sets of very
            many names.
        supervision: What can be learned from.
        teachers: Where another network points for each thing; a row of zeros where it was not asked.
            None: nowhere.
        crowds: Where boxes are neither right nor wrong. None: nowhere.
    """

    boxes: Float[Tensor, "m 4"]
    masks: Float[Tensor, "m h w"]
    answers: Bool[Tensor, "m t"]
    verified: Bool[Tensor, "t"] | None = None
    federated: bool = False
    supervision: Supervision = Supervision.FULL
    teachers: Float[Tensor, "m texts"] | None = None
    crowds: Crowds | None = None


@dataclass(frozen=True)
class Weights:
    """How much each term counts, and what counts at all.

    Attributes:
        words: Of the focal loss.
        boxes: Of L1.
        overlap: Of generalised overlap.
        masks: Of the masks' cross-entropy.
        dice: Of dice.
        teacher: Of the direction that another network gives.
        most: Boxes that learn from one truth.
        decoder_least: Intersection over union from which on they do, in the decoder.
        encoder_least: The same among the encoder's proposals.
        encoder_below: Proposals that overlap every truth by less show nothing.
        encoder_samples: Proposals of a picture that learn whether they show anything.
        negatives: Absent prompts that are drawn in a batch, for pictures of federated data sets.
    """

    words: float = 1.0
    boxes: float = 5.0
    overlap: float = 2.0
    masks: float = 5.0
    dice: float = 5.0
    teacher: float = 1.0
    most: int = 4
    decoder_least: float = 0.6
    encoder_least: float = 0.7
    encoder_below: float = 0.3
    encoder_samples: int = 256
    negatives: int = 50


DEFAULTS: Final = Weights()


@dataclass(frozen=True, eq=False)
class _Truth:
    """The targets of a batch, filled up to the same number of things and one more that is nothing.

    Attributes:
        boxes: Without area where there is no thing.
        answers: None of what is no thing.
        asked: Which prompts count for each picture, found or not.
        words: For which pictures words count; `places` and `everything` likewise.
        crowds: Of each picture.
    """

    boxes: Float[Tensor, "b m 4"]
    answers: Bool[Tensor, "b m t"]
    asked: Bool[Tensor, "b t"]
    words: Bool[Tensor, "b"]
    places: Bool[Tensor, "b"]
    everything: Bool[Tensor, "b"]
    crowds: list[Crowds | None]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Boxes and the things that they learn from: picture, box and thing of each pair."""

    images: Int64[Tensor, "k"]
    boxes: Int64[Tensor, "k"]
    things: Int64[Tensor, "k"]


def criterion(
    found: Found, targets: Sequence[Target], texts: Float[Tensor, "b t texts"], weights: Weights = DEFAULTS
) -> dict[str, Tensor]:
    """Return the terms that are to be small, each weighed: their sum is what is minimised.

    `words`, `boxes` and `overlap` have the number of their decoder layer behind them, or `_proposals`;
    `masks`, `dice` and `teacher` are of the last layer alone. Each is a sum over pairs of box and truth,
    divided by the batch's number of pairs. All layers learn from the same pairs, which the boxes of the
    first layer decide on.

    Args:
        found: In a batch.
        targets: The truth about each picture.
        texts: Of each picture's prompts, in the order of `Target.answers`, fused with the picture or not,
            and negatives behind them that nothing answers.
        weights: What counts, and how much.
    """
    truth = _gathered(targets, weights)
    assignment = assign(
        iou(truth.boxes, found.layers[0].boxes.detach()), least=weights.decoder_least, most=weights.most
    )
    pairs = _pairs(assignment, truth.places)
    terms: dict[str, Tensor] = {}
    for number, layer in enumerate(found.layers):
        terms[f"words_{number}"] = weights.words * _words(layer, texts, assignment, truth)
        terms |= _boxes(layer.boxes, truth, pairs, weights, name=str(number))
    terms |= _masks(found, targets, pairs, weights)
    terms["teacher"] = weights.teacher * _teacher(found.layers[-1], targets, assignment)
    return terms | _proposals(found.proposals, truth, weights)


def _gathered(targets: Sequence[Target], weights: Weights) -> _Truth:
    first = targets[0].boxes
    boxes = first.new_zeros(len(targets), max(len(each.boxes) for each in targets) + 1, 4)
    answers = targets[0].answers.new_zeros(*boxes.shape[:2], targets[0].answers.shape[1])
    for place, target in enumerate(targets):
        boxes[place, : len(target.boxes)] = target.boxes
        answers[place, : len(target.boxes)] = target.answers

    def flags(values: Sequence[bool]) -> Bool[Tensor, "b"]:
        return torch.tensor(values, device=first.device)

    return _Truth(
        boxes,
        answers,
        _asked(targets, answers.any(1).any(0), weights.negatives),
        flags([each.supervision.words for each in targets]),
        flags([each.supervision.places for each in targets]),
        flags([each.supervision.everything for each in targets]),
        [each.crowds for each in targets],
    )


@torch.no_grad()
def _asked(targets: Sequence[Target], present: Bool[Tensor, "t"], negatives: int) -> Bool[Tensor, "b t"]:
    """Return which prompts count for each picture: those verified, and of federated ones a sample.

    Source: the federated loss (Zhou et al., arXiv 2103.07461), which draws absent classes for a batch. It
    counts them for all pictures of the batch; here only for those in which they are known to be absent.
    """
    every = torch.ones_like(present)
    verified = torch.stack([every if each.verified is None else each.verified for each in targets])
    order = torch.where(verified.any(0) & ~present, torch.rand(present.shape, device=present.device), 2)
    drawn = (order.argsort().argsort() < negatives) | present
    federated = torch.tensor([each.federated for each in targets], device=present.device)
    return verified & (drawn | ~federated[:, None])


def _pairs(assignment: Assignment, allowed: Bool[Tensor, "b"]) -> _Pairs:
    images, boxes = ((assignment.truth != NONE) & allowed[:, None]).nonzero(as_tuple=True)
    return _Pairs(images, boxes, assignment.truth[images, boxes])


def _words(
    layer: Layer, texts: Float[Tensor, "b t texts"], assignment: Assignment, truth: _Truth
) -> Float[Tensor, ""]:
    """Return the focal loss of every box and prompt that counts.

    What a box is near to without learning from it counts neither way, for the prompts that are true of
    that, and neither does a crowd that it lies in; to all others it says no.
    """
    image = torch.arange(len(texts), device=texts.device)[:, None]
    answered = truth.answers[image, assignment.truth]  # (b, q, t); what is NONE is the last thing, nothing
    unsure = truth.answers[image, assignment.near] | spared_in(truth.crowds, layer.boxes, texts.shape[1])
    counted = (truth.asked[:, None] | answered) & (answered | ~unsure) & truth.words[:, None, None]
    missed = focal(score(layer.queries, layer.offsets, texts), answered.to(texts.dtype))
    learning = (answered.any(-1) & truth.words[:, None]).sum().clamp(min=1)
    return (missed * counted).sum() / learning


def _boxes(
    boxes: Float[Tensor, "b n 4"], truth: _Truth, pairs: _Pairs, weights: Weights, *, name: str
) -> dict[str, Tensor]:
    own, wished = boxes[pairs.images, pairs.boxes], truth.boxes[pairs.images, pairs.things]
    count = max(1, len(own))
    return {
        f"boxes_{name}": weights.boxes * distance(own, wished).sum() / count,
        f"overlap_{name}": weights.overlap * (1 - giou(own, wished)).sum() / count,
    }


def _masks(found: Found, targets: Sequence[Target], pairs: _Pairs, weights: Weights) -> dict[str, Tensor]:
    """Return the masks' terms; only masks of boxes that learn from something are made.

    Only what is in the true box or near it counts: elsewhere a mask is cut off when it is drawn.
    """
    pixels = shape = found.mask_queries.new_zeros(())
    for image, target in enumerate(targets):
        of = pairs.images == image
        if bool(of.any()):
            own = mask_logits(found.mask_queries[image, pairs.boxes[of]], found.mask_features[image])
            wished = target.masks[pairs.things[of]].to(own.dtype)
            near = around(target.boxes[pairs.things[of]], own.shape[-1], reach=_REACH)
            pixels = pixels + pixelwise(own, wished, near).sum()
            shape = shape + dice(own, wished, near).sum()
    count = max(1, len(pairs.images))
    return {"masks": weights.masks * pixels / count, "dice": weights.dice * shape / count}


def _teacher(layer: Layer, targets: Sequence[Target], assignment: Assignment) -> Float[Tensor, ""]:
    """Return how far regions point from where another network points for the same things."""
    own, wished = [layer.queries[0, :0]], [layer.queries[0, :0]]
    for image, target in enumerate(targets):
        if target.teachers is not None:
            boxes = (assignment.truth[image] != NONE).nonzero()[:, 0]
            teachers = target.teachers[assignment.truth[image, boxes]]
            given = teachers.any(-1)
            own.append(layer.queries[image, boxes[given]])
            wished.append(teachers[given])
    vectors = torch.cat(own)
    return direction(vectors, torch.cat(wished)).sum() / max(1, len(vectors))


def _proposals(proposals: Proposals, truth: _Truth, weights: Weights) -> dict[str, Tensor]:
    """Return the encoder's terms: whether there is anything, whatever it is, and where."""
    overlap = iou(truth.boxes, proposals.boxes.detach())
    assignment = assign(overlap, least=weights.encoder_least, most=weights.most)
    counted = sampled(assignment, overlap.amax(1), below=weights.encoder_below, count=weights.encoder_samples)
    counted &= truth.everything[:, None]
    shown = assignment.truth != NONE
    counted &= shown | ~spared_in(truth.crowds, proposals.boxes, truth.answers.shape[2]).any(-1)
    missed = focal(proposals.logits, shown.to(proposals.logits.dtype)) * counted
    terms = _boxes(proposals.boxes, truth, _pairs(assignment, truth.places), weights, name="proposals")
    return {
        "words_proposals": weights.words * missed.sum() / (shown & counted).sum().clamp(min=1),
        **terms,
    }
