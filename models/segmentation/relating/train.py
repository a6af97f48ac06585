"""Teaches what phrases say of things, on what a trained detector finds in lessons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.segmentation.alignment.network import score
from models.segmentation.assignment.losses import iou
from models.segmentation.data import PHRASES, read_levels
from models.segmentation.judging.data import mask_overlaps
from models.segmentation.lessons import Lesson
from models.segmentation.measures.losses import focal
from models.segmentation.network import Detector, Maps
from models.segmentation.relating.cues import said
from models.segmentation.relating.network import Cues, Relations
from models.vision.local_encoder.run import Run


@dataclass(frozen=True)
class RelatingSettings:
    """How phrases are taught.

    Attributes:
        scenes: That phrases are taught on, from the first on; those the heads learned from are among them.
        ways: In how many wordings besides its own each phrase is read for its cues.
        cue_noise: Most that a sentence's vector, of length 1, is moved by at random.
        cue_steps: In which cues alone are taught.
        cue_batch: Sentences of each of these steps.
        steps: In which it is taught which regions phrases are true of; cues stay as they are.
        batch: Scenes of each of these steps.
        rate: Learning rate of AdamW.
        decay: Its weight decay.
        clip: Longest gradient.
        warm_up_steps: In which the rate rises; then it falls, half a cosine, to the end.
        saved_every: Steps.
        hit: Overlap with a thing's box from which on what is true of it is true of a region, as far as the
            region fits the thing.
        unsure: Overlap from which on it is neither true nor false.
        seed: Of what is drawn.
    """

    scenes: int = 5120
    ways: int = 2
    cue_noise: float = 0.6
    cue_steps: int = 3000
    cue_batch: int = 256
    steps: int = 6400
    batch: int = 8
    rate: float = 1e-3
    decay: float = 0.05
    clip: float = 1.0
    warm_up_steps: int = 100
    saved_every: int = 400
    hit: float = 0.5
    unsure: float = 0.3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """What a detector found in a lesson that was read with its phrases.

    Attributes:
        insides: Of each region; at half precision.
        boxes: Of each region.
        sentences: Vectors of the phrases.
        logits: Of regions and phrases, without relations.
        true: How far each phrase is true of each region: the overlap of its box with that of a thing that
            answers, times the overlap of their masks as they are drawn; 0 for a region that misses them.
        counted: Which of that is beyond doubt.
    """

    insides: Tensor  # (q, channels)
    boxes: Tensor  # (q, 4)
    sentences: Tensor  # (s, texts)
    logits: Tensor  # (q, s)
    true: Tensor  # (q, s)
    counted: Tensor  # (q, s)


Report = Callable[[int, float], None]
"""Takes the step and its loss."""


def learn_cues(
    cues: Cues,
    texts: Mapping[str, np.ndarray],
    settings: RelatingSettings,
    *,
    checkpoint: Path,
    report: Report,
) -> None:
    """Teach which cues sentences say; from this or the checkpoint's step on.

    Args:
        cues: What learns.
        texts: Sentences and their vectors.
        settings: How.
        checkpoint: Where the run is kept.
        report: Called after each step.
    """
    device = next(cues.parameters()).device
    vectors = torch.from_numpy(np.stack(list(texts.values()))).to(device)
    truth = torch.from_numpy(np.stack([said(text) for text in texts])).to(device, torch.float32)
    optimiser = torch.optim.AdamW(cues.parameters(), lr=settings.rate, weight_decay=settings.decay)
    run = Run(optimiser, cues, checkpoint, settings.cue_steps, settings, clip=settings.clip)
    cues.train()
    for step in run.steps():
        rng = torch.manual_seed(settings.seed + step)  # of what is left out, too
        chosen = torch.randint(len(vectors), (settings.cue_batch,), generator=rng)
        noise = torch.randn(settings.cue_batch, vectors.shape[1], generator=rng) / vectors.shape[1] ** 0.5
        moved = settings.cue_noise * torch.rand(settings.cue_batch, 1, generator=rng) * noise
        found = functional.binary_cross_entropy_with_logits(
            cues(vectors[chosen] + moved.to(device)), truth[chosen]
        )
        report(step, run.descend(found))
    cues.eval()


def learn_relations(
    relations: Relations,
    scenes: Sequence[Scene],
    settings: RelatingSettings,
    *,
    checkpoint: Path,
    report: Report,
) -> None:
    """Teach which regions phrases are true of; cues stay as they are.

    Args:
        relations: What learns.
        scenes: From a detector that stays as it is.
        settings: How.
        checkpoint: Where the run is kept.
        report: Called after each step.
    """
    relations.train()
    relations.cues.eval().requires_grad_(requires_grad=False)
    device = next(relations.parameters()).device
    learning = [weight for weight in relations.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=settings.rate, weight_decay=settings.decay)
    run = Run(optimiser, relations, checkpoint, settings.steps, settings, clip=settings.clip)
    for step in run.steps():
        rng = np.random.default_rng((settings.seed, step))
        shown = [scenes[number] for number in rng.integers(len(scenes), size=settings.batch).tolist()]
        report(step, run.descend(_loss(relations, shown, device)))
    relations.eval().requires_grad_(requires_grad=True)


def found_in(
    detector: Detector, lessons: Iterable[Lesson], texts: Mapping[str, np.ndarray], settings: RelatingSettings
) -> Iterator[Scene]:
    """Yield what a detector finds in each lesson that has phrases, read with them.

    Args:
        detector: In evaluation mode.
        lessons: Of any kind.
        texts: Vectors of their phrases.
        settings: What counts as found.
    """
    device = next(detector.parameters()).device
    for each in lessons:
        phrases = [index for index, prompt in enumerate(each.prompts) if prompt.kind in PHRASES]
        if not phrases:
            continue
        sentences = torch.from_numpy(np.stack([texts[each.prompts[index].text] for index in phrases]))
        with torch.inference_mode():
            found = detector.find(Maps(read_levels(each, device)), sentences[None].to(device))
            last = found.layers[-1]
            logits = score(last.queries, last.offsets, found.texts)[0]
        boxes = last.boxes[0].cpu()
        overlaps = iou(torch.from_numpy(each.boxes)[None], boxes[None])[0].T  # (q, things)
        answers = torch.from_numpy(each.truth[:, phrases])
        nearest = _best(overlaps, answers)
        hit = nearest >= settings.hit
        true = torch.where(hit, _best(overlaps * mask_overlaps(found, each), answers), 0)
        known = torch.tensor([each.verified is None or index in each.verified for index in phrases])
        counted = (hit | (nearest < settings.unsure)) & known
        yield Scene(found.insides[0].half().cpu(), boxes, sentences, logits.cpu(), true, counted)


def _best(overlaps: Tensor, answers: Tensor) -> Tensor:
    """Return the largest overlap of each region with anything that answers each phrase, (q, s)."""
    if not len(answers):
        return overlaps.new_zeros(len(overlaps), answers.shape[1])
    return (overlaps[:, :, None] * answers).amax(1)


def _loss(relations: Relations, scenes: Sequence[Scene], device: torch.device) -> Tensor:
    """Return the focal loss of all pairs that count, over how far pairs are true in all."""

    def stacked(tensors: Iterable[Tensor]) -> Tensor:
        return torch.stack(list(tensors)).to(device)

    def padded(rows: Iterable[Tensor]) -> Tensor:
        """Return (b, q, s) of (q, s), phrases of zeros behind the others."""
        columns = [each.T.float() for each in rows]
        return nn.utils.rnn.pad_sequence(columns, batch_first=True).transpose(1, 2).to(device)

    logits = padded(each.logits for each in scenes)
    sentences = nn.utils.rnn.pad_sequence([each.sentences for each in scenes], batch_first=True).to(device)
    insides = stacked(each.insides for each in scenes).float()
    found = relations(insides, stacked(each.boxes for each in scenes), sentences, logits)
    true, counted = (padded(parts) for parts in ((e.true for e in scenes), (e.counted for e in scenes)))
    return (focal(logits + found, true) * counted).sum() / true.sum().clamp(min=1)
