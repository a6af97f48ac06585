"""Trains the multimodal model: `python -m models.multimodal.train`, in stages.

Stages, what learns in each, on what and by which losses stand in `settings.py`. What was computed on the way
lies in the cache, and a run continues where the last one stopped. `--stop-after MINUTES` ends with a
checkpoint; `--steps instruct=3000` trains longer than the recipe says.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.bridge.export import class_embeddings
from models.data.cache import cache_folder
from models.language.export import load_llama, load_tokenizer
from models.language.network import Llama
from models.multimodal import losses
from models.multimodal.beginning import solved, words_of
from models.multimodal.data import Lesson, Lessons
from models.multimodal.features import Features
from models.multimodal.mining import says_something
from models.multimodal.network import Learned, Multimodal, Projector, narrow, narrowed
from models.multimodal.pictures import Lot, lot
from models.multimodal.preparing import Known, examples, features
from models.multimodal.rows import Tokens, Writer
from models.multimodal.settings import IMAGE_TOKENS, Recipe, Stage
from models.text.export import NAME_MEAN
from models.vision.global_encoder.data import digest as of_pictures
from models.vision.global_encoder.data import learned, pictures
from models.vision.global_encoder.network import PARTS
from models.vision.global_encoder.readings import readings
from models.vision.global_encoder.recipe import Classifier, Fitted
from models.vision.global_encoder.recipe import Lesson as EncoderLesson
from models.vision.global_encoder.recipe import Recipe as EncoderRecipe
from models.vision.global_encoder.train import reader
from models.vision.local_encoder.run import Run

TRAINING: Final = cache_folder().parent / "training"
Report = Callable[[int, str, float], None]


def loss_of(likelihoods: Tensor, lesson: Lesson, stage: Stage, sharpness: float) -> Tensor:
    """Return what a step of a stage descends."""
    owner = lesson.inputs.owner
    if lesson.kind != "open":
        return losses.answers(likelihoods, owner)
    scores = losses.means(likelihoods, owner, int(owner.max()) + 1)
    compared = losses.ranking(scores, lesson.truth, sharpness=sharpness)
    return losses.generation(likelihoods, owner, lesson.truth) + stage.ranking * compared


def learn(  # noqa: PLR0913  (a stage is all of this)
    model: Multimodal,
    stage: Stage,
    lessons: Lessons,
    recipe: Recipe,
    *,
    checkpoint: Path,
    report: Report,
    until: float = float("inf"),
) -> bool:
    """Train what a stage trains, continuing where it stopped; return whether it came to its end.

    Args:
        model: In place.
        stage: What learns, and how.
        lessons: To draw from.
        recipe: Of the whole.
        checkpoint: Where to save.
        report: Is told the step, the kind of its lesson, and its loss.
        until: When to stop at the latest, by the monotonic clock.
    """
    model.requires_grad_(requires_grad=False)
    own = model.parts()[stage.learns]
    for parameter in own:
        parameter.requires_grad_(requires_grad=True)
    device = own[0].device
    optimiser = torch.optim.AdamW(own, lr=stage.rate, weight_decay=0.01)
    run = Run(optimiser, Learned(model), checkpoint, stage.steps, recipe, clip=1.0)
    for step in run.steps():
        if time.monotonic() > until and step % recipe.saved_every == 0:  # what went before is saved
            return False
        lesson = lessons.draw(stage, step, device)
        with narrow():
            image = model.projector(lesson.embeddings, lesson.names).float()
            image = image + lesson.moved * (lesson.hint - image)
            likelihoods = model.after(lesson.inputs, image, frozen=stage.frozen)
        report(step, lesson.kind, run.descend(loss_of(likelihoods, lesson, stage, recipe.sharpness)))
    return True


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that a training of the model that ships begins with.

    Attributes:
        lot: Pictures.
        seen: Their features.
        tokens: Of the language model.
        folder: Where checkpoints and all else of this lot lie.
    """

    lot: Lot
    seen: Features
    tokens: Tokens
    folder: Path


def prepared(threads: int) -> Prepared:
    """Return what is trained on; what is in the cache is not computed again."""
    every = pictures()
    chosen = lot(every)
    folder = TRAINING / f"multimodal-{chosen.digest[:12]}"

    def known() -> Known:
        named, read = reader(threads)
        seen = readings(every, read, TRAINING / f"global-readings-{named}")
        recipe = EncoderRecipe()
        path = TRAINING / f"global-all-{of_pictures(learned(every, None))}-{named}-{recipe.digest}.npz"
        lesson = EncoderLesson(every, seen, PARTS, frozenset(), Classifier((), np.zeros((1, 1), np.float32)))
        place = {one.id: number for number, one in enumerate(chosen.pictures)}
        own = np.array([place.get(one.id, -1) for one in every])[seen.picture]
        kept = own >= 0
        classes = (class_embeddings() - np.load(NAME_MEAN)).astype(np.float32)
        return Known(
            seen.rows[kept],
            own[kept],
            seen.is_plain[kept],
            lesson.parts(),
            Fitted.load(path),
            recipe,
            classes,
        )

    return Prepared(chosen, features(chosen, known, folder), load_tokenizer(), folder)


def beginning(ready: Prepared, llama: Llama, recipe: Recipe) -> Projector:
    """Return the projector before its first step."""
    torch.manual_seed(recipe.seed)
    projector = Projector(IMAGE_TOKENS, recipe.hidden)
    words = llama.token_embd.weight.detach().float().numpy()
    may = ready.lot.learned
    views = np.flatnonzero(may[ready.seen.picture])
    shown = ready.seen.picture[views]
    each = {place: words_of_picture(ready, words, place) for place in np.unique(shown).tolist()}
    trust = [1.0 if ready.lot.pictures[place].thing else recipe.clipart_weight for place in shown]
    targets = np.stack([each[place] for place in shown])
    weights = np.array(trust, dtype=np.float32)
    projector.begin_as(*solved(ready.seen, views, targets, weights, ridge=recipe.ridge))
    return projector


def words_of_picture(ready: Prepared, words: np.ndarray, place: int) -> np.ndarray:
    """Return what the tokens of a picture shall be near to, (token, width)."""
    return words_of(ready.lot.pictures[place], ready.tokens.encode, words)


def lessons_of(ready: Prepared, llama: Llama, recipe: Recipe) -> Lessons:
    """Return the lessons of a recipe."""

    def says(label: str) -> bool:
        return says_something(label, lambda word: len(ready.tokens.encode(word)))

    found = examples(ready.lot, ready.seen, recipe, says, ready.folder)
    places = {one.id: place for place, one in enumerate(ready.lot.pictures)}
    words = llama.token_embd.weight.detach().float().numpy()
    return Lessons(
        found,
        ready.seen,
        places,
        Writer(ready.tokens, IMAGE_TOKENS),
        partial(words_of_picture, ready, words),
        noise=recipe.noise,
        seed=recipe.seed,
    )


def checkpoint_of(ready: Prepared, recipe: Recipe, stage: Stage) -> Path:
    """Return where a stage saves."""
    return ready.folder / f"{recipe.digest}-{stage.name}.pt"


def restored(ready: Prepared, recipe: Recipe, *, stage: str | None = None) -> Multimodal:
    """Return the model as the last stage that has a checkpoint left it, or the one that is named."""
    llama = load_llama()
    model = Multimodal(beginning(ready, llama, recipe), narrowed(llama))
    for each in recipe.stages:
        path = checkpoint_of(ready, recipe, each)
        if path.is_file():
            Learned(model).load_state_dict(torch.load(path, weights_only=True)["modules"])
        if each.name == stage:
            break
    return model.eval()


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is left of all stages."""
    parser = argparse.ArgumentParser(
        prog="python -m models.multimodal.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--stop-after", type=float, default=float("inf"), help="minutes")
    parser.add_argument("--steps", nargs="*", default=[], help="such as instruct=3000")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    until = time.monotonic() + 60 * chosen.stop_after
    given = (one.partition("=") for one in chosen.steps)
    recipe = Recipe().with_steps({name: int(count) for name, _, count in given})
    ready = prepared(chosen.threads)
    llama = load_llama()
    lessons = lessons_of(ready, llama, recipe)
    model = Multimodal(beginning(ready, llama, recipe), narrowed(llama)).to(chosen.device)
    for stage in recipe.stages:
        path = checkpoint_of(ready, recipe, stage)
        if not learn(model, stage, lessons, recipe, checkpoint=path, report=_report(stage), until=until):
            print(f"stopped in {stage.name}; {path} continues it")
            return


def _report(stage: Stage) -> Report:
    started = time.monotonic()
    found: dict[str, list[float]] = {}

    def report(step: int, kind: str, loss: float) -> None:
        found.setdefault(kind, []).append(loss)
        if (step + 1) % 20 == 0:
            said = ", ".join(f"{key} {np.mean(values):.3f}" for key, values in sorted(found.items()))
            print(f"{stage.name} {step + 1}: {said}; {time.monotonic() - started:.0f} s", flush=True)
            found.clear()

    return report


if __name__ == "__main__":
    main()
