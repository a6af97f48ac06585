"""Trains the local encoder and the reader of regions: `python -m models.vision.train local`.

Two steps, both distillation of what an encoder of whole crops sees into what is read from a map, as
CLIPSelf has it (Wu et al., arXiv 2310.01403):

1. The map: EfficientNet-Lite0's stages and what joins them learn from EfficientNet-Lite0's own
   embeddings, so that the map does not depend on any encoder trained here.
2. The reader: with the map fixed, it learns from the encoder whose memories shall be asked.

Both continue where they were stopped. A scene is drawn from its number, so a run that was stopped
ends as one that was not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.vision.efficientnet.export import MEAN, load_encoder
from models.vision.efficientnet.network import EfficientNetLite0
from models.vision.local_encoder.cutouts import TRAINING
from models.vision.local_encoder.data import (
    GRIDS,
    Lesson,
    Lessons,
    Teacher,
    lesson,
    lessons,
    principal,
)
from models.vision.local_encoder.export import export
from models.vision.local_encoder.losses import Distillation
from models.vision.local_encoder.network import GridReader, LocalEncoder
from models.vision.local_encoder.run import Run
from models.vision.local_encoder.settings import TrainingSettings
from models.vision.local_encoder.teacher import StoredTeacher
from models.vision.tiles import WHOLE, Grid

SCENES_A_STEP = {1: 10, 2: 3, 4: 2}
"""By tiles in the grid: about ten passes of the encoder."""
RAW = "efficientnet-lite0"
"""Who teaches the map."""
MAP_DIMENSIONS = 512
"""Of the targets in step 1: the arithmetic of a fifth of the 2,792 that the teacher gives."""


Report = Callable[[int, float], None]
"""Takes the step and its loss."""


def learn_map(
    modules: tuple[LocalEncoder, GridReader],
    lessons: Lessons,
    settings: TrainingSettings,
    *,
    checkpoint: Path,
    report: Report,
) -> None:
    """Train the encoder, and a reader that only helps to, from this or the checkpoint's step on."""
    encoder, reader = modules
    device = next(encoder.parameters()).device
    distillation = Distillation(lessons, settings).to(device)
    old = list(encoder.blocks.parameters())
    new = [weight for name, weight in encoder.named_parameters() if not name.startswith(("blocks", "stem"))]
    groups = [
        {"params": [*new, *reader.parameters()], "lr": settings.rate},
        {"params": old, "lr": settings.trunk_rate, "weight_decay": 0.0},
    ]
    run = Run(torch.optim.AdamW(groups), nn.ModuleList(modules), checkpoint, settings.map_steps, settings)
    for step in run.steps():
        encoder.eval()
        encoder.norms.train(step < settings.norm_steps)
        drawn = _drawn(lessons, step, settings)
        local, overview = maps(encoder, [each.tiles for each in drawn], GRIDS[step % len(GRIDS)])
        points, present, shown = _batch(drawn, device)
        loss = distillation(reader(local, overview, points)[present], shown)
        report(step, run.descend(loss))


def learn_reader(
    modules: tuple[LocalEncoder, GridReader],
    lessons: Lessons,
    settings: TrainingSettings,
    *,
    checkpoint: Path,
    report: Report,
) -> None:
    """Train the reader alone, on maps that are made once."""
    encoder, reader = modules
    encoder.eval()
    device = next(reader.parameters()).device
    distillation = Distillation(lessons, settings).to(device)
    kept = [_kept(encoder, lessons, number, settings) for number in range(settings.reader_scenes)]
    by_grid = [[each for each in kept if each.grid == grid] for grid in sorted({each.grid for each in kept})]
    optimiser = torch.optim.AdamW(reader.parameters(), lr=settings.rate / 2)
    run = Run(optimiser, reader, checkpoint, settings.reader_steps, settings)
    for step in run.steps():
        same = by_grid[step % len(by_grid)]
        rng = np.random.default_rng((settings.seed, step))
        chosen = [same[int(index)] for index in rng.permutation(len(same))[: settings.reader_batch]]
        local = torch.stack([each.local for each in chosen]).to(device, torch.float32)
        overview = torch.stack([each.overview for each in chosen]).to(device, torch.float32)
        points, present, shown = _batch([each.lesson for each in chosen], device)
        loss = distillation(reader(local, overview, points)[present], shown)
        report(step, run.descend(loss))
    reader.eval()


def maps(encoder: LocalEncoder, tiles: Sequence[np.ndarray], grid: Grid) -> tuple[Tensor, Tensor]:
    """Return the merged local maps (b, H, W, d) and the overviews (b, h, w, d) of images of one grid."""
    device = next(encoder.parameters()).device
    patches = encoder(torch.from_numpy(np.concatenate(tiles)).to(device))  # (b * n, h, w, d)
    _, high, wide, channels = patches.shape
    apart = patches.reshape(len(tiles), -1, high, wide, channels)
    fine = apart[:, : grid.tiles].reshape(len(tiles), grid.rows, grid.columns, high, wide, channels)
    merged = fine.transpose(2, 3).reshape(len(tiles), grid.rows * high, grid.columns * wide, channels)
    return merged, apart[:, -1]


@dataclass(frozen=True, eq=False)
class _Kept:
    """A scene whose maps are kept, at half precision."""

    grid: Grid
    lesson: Lesson
    local: Tensor
    overview: Tensor


def _kept(encoder: LocalEncoder, lessons: Lessons, number: int, settings: TrainingSettings) -> _Kept:
    grid = GRIDS[number % len(GRIDS)]
    drawn = lesson(lessons, grid, _scene(settings, -1 - number))
    with torch.inference_mode():
        local, overview = maps(encoder, [drawn.tiles], grid)
    return _Kept(grid, drawn, local[0].half().cpu().clone(), overview[0].half().cpu().clone())


def _drawn(lessons: Lessons, step: int, settings: TrainingSettings) -> list[Lesson]:
    grid = GRIDS[step % len(GRIDS)]
    first = step * SCENES_A_STEP[WHOLE.tiles]
    return [
        lesson(lessons, grid, _scene(settings, first + place)) for place in range(SCENES_A_STEP[grid.tiles])
    ]


def _scene(settings: TrainingSettings, number: int) -> int:
    """Return the seed of a scene; those with negative numbers are other scenes."""
    return int(np.random.SeedSequence((settings.seed, abs(number), int(number < 0))).generate_state(1)[0])


def _batch(drawn: Sequence[Lesson], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return points (b, r, p, 3), which of the (b, r) are regions, and the cut-outs that those show."""
    most = max(len(each.shown) for each in drawn)
    points = torch.ones(len(drawn), most, *drawn[0].points.shape[1:])
    present = torch.zeros(len(drawn), most, dtype=torch.bool)
    for place, each in enumerate(drawn):
        points[place, : len(each.shown)] = torch.from_numpy(each.points)
        present[place, : len(each.shown)] = True
    shown = torch.from_numpy(np.concatenate([each.shown for each in drawn]))
    return points.to(device), present.to(device), shown.to(device)


def train_map(
    settings: TrainingSettings, *, held_out: str | None = None, device: str = "cpu"
) -> tuple[LocalEncoder, GridReader]:
    """Return the trained encoder, and the reader that learned beside it; continues what was stopped.

    Args:
        settings: How.
        held_out: As in `cutouts.cutouts`.
        device: Where to compute.
    """
    torch.manual_seed(settings.seed)
    encoder, helper = LocalEncoder(load_trunk()).to(device), GridReader(MAP_DIMENSIONS).to(device)
    raw = StoredTeacher(RAW)
    known = principal(lessons(raw, raw.graph, held_out=held_out), MAP_DIMENSIONS)
    checkpoint = _place(settings, held_out) / "map.pt"
    learn_map((encoder, helper), known, settings, checkpoint=checkpoint, report=_report("map"))
    return encoder.eval(), helper.eval()


def train_reader(
    modules: tuple[LocalEncoder, GridReader],
    teacher: tuple[str, Teacher],
    settings: TrainingSettings,
    *,
    held_out: str | None = None,
) -> GridReader:
    """Return a reader into a teacher's space; continues what was stopped.

    Args:
        modules: What `train_map` returned: all of the reader but its last map is where this one starts.
        teacher: Which graph it is, and itself.
        settings: How.
        held_out: As in `cutouts.cutouts`.
    """
    encoder, helper = modules
    graph, sees = teacher
    known = lessons(sees, graph, held_out=held_out)
    reader = GridReader(known.targets.shape[1])
    learned = {key: value for key, value in helper.state_dict().items() if not key.startswith("output")}
    reader.load_state_dict(learned, strict=False)
    reader.to(next(helper.parameters()).device)
    checkpoint = _place(settings, held_out) / f"reader-{graph}.pt"
    learn_reader((encoder, reader), known, settings, checkpoint=checkpoint, report=_report("reader"))
    return reader.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train both and export them."""
    parser = argparse.ArgumentParser(
        prog="python -m models.vision.train local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--teacher", default="fovea-global", help="model of the store that regions are read for"
    )
    parser.add_argument(
        "--map-only", action="store_true", help="stop after step 1, which needs no such model"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    settings = TrainingSettings()
    modules = train_map(settings, device=chosen.device)
    if chosen.map_only:
        return
    teacher = StoredTeacher(chosen.teacher)
    reader = train_reader(modules, (teacher.graph, teacher), settings)
    export(modules[0].cpu(), reader.cpu(), teacher=teacher.identity)


def _place(settings: TrainingSettings, held_out: str | None) -> Path:
    return TRAINING / f"local-{held_out or 'all'}-{settings.digest}"


def load_trunk() -> EfficientNetLite0:
    """Return EfficientNet-Lite0 with the packaged weights."""
    return load_encoder(np.load(MEAN)).trunk


def _report(what: str) -> Report:
    started = time.monotonic()
    losses: list[float] = []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if (step + 1) % 25 == 0:
            mean = sum(losses[-25:]) / len(losses[-25:])
            print(f"{what} {step + 1}: loss {mean:.4f}, {time.monotonic() - started:.0f} s", flush=True)

    return report
