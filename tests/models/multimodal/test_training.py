"""Stages train what they say and nothing else, go on where they stopped, and lower the loss."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from models.language.network import Llama
from models.language.weights import Shape
from models.multimodal.data import Lessons
from models.multimodal.examples import KINDS, Example
from models.multimodal.features import Features
from models.multimodal.network import Learned, Multimodal, Projector
from models.multimodal.rows import Writer
from models.multimodal.settings import Recipe, Stage
from models.multimodal.train import learn, loss_of

SMALL = Shape(layers=3, width=48, heads=6, key_heads=2, inner_width=80, vocabulary=140)
WORDS = ("ox", "hen", "cat", "owl", "boar", "wren")
TOKENS = 2
CPU = torch.device("cpu")
RECIPE = Recipe(warm_up_steps=1, saved_every=2)
PROJECTOR, INSTRUCT = (
    replace(stage, steps=4, rows=4, frozen=min(stage.frozen, 1)) for stage in RECIPE.stages[:2]
)


class Characters:
    def encode(self, text: str) -> tuple[int, ...]:
        return (
            (100 + ord(text[1]) % 32,)
            if len(text) == 2 and text[0] == " "
            else tuple(ord(x) % 96 for x in text)
        )

    def control(self, name: str) -> int:
        return 138 if name == "<|im_start|>" else 139


def model(seed: int = 0) -> Multimodal:
    torch.manual_seed(seed)
    llama = Llama(SMALL, rank=2)
    for name, value in llama.named_parameters():
        if name.endswith("weight") and value.ndim == 2:
            torch.nn.init.normal_(value, std=0.1)
    return Multimodal(Projector(TOKENS, 16, SMALL.width), llama)


def hint(place: int) -> np.ndarray:
    return np.full((TOKENS, SMALL.width), place, dtype=np.float32)


def lessons() -> Lessons:
    drawn = np.random.default_rng(0)
    made = [
        Example(word, kind, word, shown, (word, *(one for one in shown if one != word)))
        for word in WORDS
        for shown in [WORDS[:4] if word in WORDS[:4] else WORDS[2:]]
        for kind in KINDS
    ]
    rows = [drawn.standard_normal((len(WORDS), size)) / size**0.5 for size in (389, 640)]
    first, second = (each.astype(np.float16) for each in rows)
    seen = Features(first, second, np.arange(len(WORDS)), np.ones(len(WORDS), bool))
    places = {word: place for place, word in enumerate(WORDS)}
    return Lessons(made, seen, places, Writer(Characters(), TOKENS), hint, noise=0.0, seed=0)


def trained(stage: Stage, folder: Path, *, starts: int = 0) -> tuple[Multimodal, list[float]]:
    found: list[float] = []
    made = model(starts)
    learn(
        made,
        stage,
        lessons(),
        RECIPE,
        checkpoint=folder / f"{stage.name}.pt",
        report=lambda _step, _kind, loss: found.append(loss),
    )
    return made, found


@pytest.mark.parametrize("stage", [PROJECTOR, INSTRUCT], ids=lambda stage: stage.name)
def test_a_stage_changes_what_it_trains_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    before = model().state_dict()

    after = trained(stage, tmp_path)[0].state_dict()

    changed = {name for name in before if not torch.equal(before[name], after[name])}
    upper = {name for name in before if name.endswith((".up", ".down")) and ".blk.0." not in name}
    assert changed == ({name for name in before if "projector" in name} if stage is PROJECTOR else upper)


class Killed(Exception):
    pass


@pytest.mark.parametrize("stage", [PROJECTOR, INSTRUCT], ids=lambda stage: stage.name)
def test_a_run_that_was_killed_ends_as_one_that_was_not(stage: Stage, tmp_path: Path) -> None:
    whole, losses = trained(stage, tmp_path / "whole")

    def kill(step: int, _kind: str, _loss: float) -> None:
        if step == 2:
            raise Killed

    found: list[float] = []
    with pytest.raises(Killed):
        learn(model(), stage, lessons(), RECIPE, checkpoint=tmp_path / "cut.pt", report=kill)
    again = model()
    learn(
        again,
        stage,
        lessons(),
        RECIPE,
        checkpoint=tmp_path / "cut.pt",
        report=lambda *said: found.append(said[2]),
    )

    assert found == losses[-2:]
    for name, value in Learned(whole).state_dict().items():
        assert torch.equal(value, Learned(again).state_dict()[name]), name


def test_a_run_that_is_told_to_stop_says_so(tmp_path: Path) -> None:
    made = model()

    ended = learn(
        made, INSTRUCT, lessons(), RECIPE, checkpoint=tmp_path / "cut.pt", report=lambda *_: None, until=0.0
    )

    assert not ended


def test_an_untrained_adapter_changes_no_likelihood() -> None:
    made = model()
    lesson = lessons().draw(INSTRUCT, 0, CPU)
    with torch.inference_mode():
        before = made(lesson.inputs, lesson.embeddings, lesson.names)
        for name, value in made.llama.adapter().items():
            if name.endswith(".down"):
                value.zero_()
        after = made(lesson.inputs, lesson.embeddings, lesson.names)

    assert torch.equal(before, after)


def test_the_loss_falls_and_the_adapter_loads_in_another_model(tmp_path: Path) -> None:
    stage = replace(INSTRUCT, steps=60, rate=2e-2, mix=MappingProxyType({"open": 1.0}), frozen=0)

    made, losses = trained(stage, tmp_path)

    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    other = model()
    other.llama.load_adapter(made.llama.adapter())
    lesson = lessons().draw(stage, 99, CPU)
    with torch.inference_mode():
        found = [each(lesson.inputs, lesson.embeddings, lesson.names) for each in (made, other)]
    assert torch.equal(*found)


def test_the_same_step_draws_the_same_lesson_and_letters_stand_in_new_orders() -> None:
    drawn, again = lessons().draw(INSTRUCT, 7, CPU), lessons().draw(INSTRUCT, 7, CPU)
    assert torch.equal(drawn.inputs.ids, again.inputs.ids)

    stage = replace(INSTRUCT, mix=MappingProxyType({"choice": 1.0}))
    many = lessons()
    said = [int(one) for step in range(40) for one in many.draw(stage, step, CPU).inputs.wanted[:, 0]]
    counts = np.bincount(said)[np.unique(said)]
    assert len(counts) == 4
    assert counts.min() > 0.5 * counts.mean()


def test_spread_over_names_a_name_with_many_windows_is_drawn_no_oftener() -> None:
    made = [Example("ox", "open", word, (word, "hen"), (word, "hen")) for word in ("ox",) * 30 + ("cat",)]
    seen = Features(
        np.ones((1, 389), np.float16), np.ones((1, 640), np.float16), np.zeros(1, int), np.ones(1, bool)
    )
    many = Lessons(made, seen, {"ox": 0}, Writer(Characters(), TOKENS), hint, noise=0.0, seed=0)
    stage = replace(PROJECTOR, rows=16)

    shares = []
    for spread in (False, True):
        said = [many.draw(replace(stage, spread=spread), step, CPU).inputs for step in range(12)]
        cats = sum(int((ord("c") % 96 == one.wanted[:, :5]).any(1).sum()) for one in said)
        shares.append(cats / (12 * 16))
    assert shares[0] < 0.2
    assert 0.3 < shares[1] < 0.7


def test_the_loss_reads_nothing_but_the_tokens_of_the_answers() -> None:
    lesson = lessons().draw(PROJECTOR, 0, CPU)
    owner, wanted = lesson.inputs.owner, lesson.inputs.wanted
    free = torch.zeros(owner.shape, requires_grad=True)

    loss_of(free, lesson, PROJECTOR, 4.0).backward()

    assert free.grad is not None
    assert torch.equal(free.grad != 0, owner >= 0)
    ends = (wanted == 139) & (owner >= 0)
    assert torch.equal(ends.sum(1), torch.tensor([4] * len(owner)))
