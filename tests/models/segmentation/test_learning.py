"""The detector learns drawn shapes in seconds, to say no with its bank, and goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.segmentation.bank.network import Bank
from models.segmentation.calibration import Asked, measured
from models.segmentation.data import Vocabulary
from models.segmentation.heads.train import Pupil, learn, settle
from models.segmentation.judging.data import judged
from models.segmentation.knowledge import DIMENSIONS
from models.segmentation.lessons import Lesson, lesson
from models.segmentation.network import Detector
from models.segmentation.recipe import TrainingSettings
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.segmentation.sampling import Share
from models.vision.efficientnet.network import EfficientNetLite0
from models.vision.local_encoder.train import load_trunk
from models.vision.masks import bounding_box
from tests.models.segmentation.conftest import SMALL

SETTINGS = replace(SMALL, texts=DIMENSIONS)
SCENES = 24
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220)}
SHAPES = ("disc", "box", "wedge")
TEXTS = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
VECTORS = {
    text: vector / np.linalg.norm(vector)
    for text, vector in zip(
        TEXTS,
        np.random.default_rng(9).standard_normal((len(TEXTS), DIMENSIONS), dtype=np.float32),
        strict=True,
    )
}


def scene(number: int, kind: PromptKind, *, absent: int) -> Sample:
    """Return two shapes on grey, in different places, asked for by what they are."""
    rng = np.random.default_rng(number)
    size = SETTINGS.side_px
    image = Image.new("RGB", (size, size), (128, 128, 128))
    order = [TEXTS[index] for index in rng.permutation(len(TEXTS))]
    things = []
    for place, text in enumerate(order[:2]):
        side = int(rng.integers(24, 40))
        left = int(rng.integers(2, 46 - side)) + 48 * place
        top = int(rng.integers(2, size - side - 2))
        mask = drawn(image, text, (left, top, left + side, top + side))
        box = bounding_box(mask)
        things.append(Thing(box, mask[box.rows, box.columns], frozenset({place}), stuff=False, label=text))
    prompts = tuple(Prompt(kind, text) for text in order[: 2 + absent])
    return Sample(np.asarray(image), prompts, tuple(things), "shapes")


def drawn(image: Image.Image, text: str, corners: tuple[int, int, int, int]) -> np.ndarray:
    colour, shape = text.split()
    mask = Image.new("1", image.size)
    left, top, right, bottom = corners
    for canvas, ink in ((image, COLOURS[colour]), (mask, 1)):
        pen = ImageDraw.Draw(canvas)
        if shape == "disc":
            pen.ellipse(corners, fill=ink)
        elif shape == "box":
            pen.rectangle(corners, fill=ink)
        else:
            pen.polygon([(left, bottom), (right, bottom), (left, top)], fill=ink)
    return np.asarray(mask)


@cache
def trunk() -> EfficientNetLite0:
    return load_trunk()


@cache
def lessons(kind: PromptKind, first: int, *, absent: int) -> tuple[Lesson, ...]:
    detector = Detector(trunk(), SETTINGS)

    def read(images: np.ndarray) -> list[np.ndarray]:
        return [level.numpy() for level in detector.read(torch.from_numpy(images)).levels]

    return tuple(
        lesson(scene(number, kind, absent=absent), read, side_px=SETTINGS.side_px)
        for number in range(first, first + SCENES)
    )


def taught(
    kind: PromptKind, place: Path, steps: int, *, stopped: int | None = None, bank: Bank | None = None
) -> Detector:
    """Return a detector after so many steps of a run, which was stopped once if it is said when."""
    school = lessons(kind, 0, absent=0 if kind is PromptKind.PHRASE else 3)
    known = Vocabulary(school, VECTORS, {})
    settings = TrainingSettings(
        mixture=(("shapes", Share(SCENES, 1.0)),),
        steps=steps,
        rate=2e-3,
        warm_up_steps=10,
        saved_every=stopped or steps,
    )
    for _ in range(1 if stopped is None else 2):
        torch.manual_seed(0)
        pupil = Pupil(Detector(trunk(), SETTINGS), ["shapes"])
        pupil.bank = bank or pupil.bank
        settle(pupil.detector, school)

        def stop(step: int, _: object) -> None:
            if step == stopped and not (place / "again").exists():
                (place / "again").touch()
                raise KeyboardInterrupt

        try:
            learn(
                pupil,
                lambda _, number: school[number],
                known,
                settings,
                checkpoint=place / "run.pt",
                report=stop,
            )
        except KeyboardInterrupt:
            continue
    return pupil.detector


def answers(detector: Detector, kind: PromptKind) -> list[Asked]:
    return judged(detector, lessons(kind, 1000, absent=3), VECTORS)


@pytest.mark.timeout(400)  # half a minute where nothing else runs
def test_shapes_are_found_boxed_and_masked_where_they_were_never_seen(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = Detector(trunk(), SETTINGS)
    settle(before, lessons(PromptKind.NAME, 0, absent=3))
    untaught = measured(answers(before, PromptKind.NAME), PromptKind.NAME, 0.5)

    after = taught(PromptKind.NAME, tmp_path, 70)
    learned = measured(answers(after, PromptKind.NAME), PromptKind.NAME, 0.5)

    assert untaught.precision < 0.02
    assert learned.precision > 0.1
    assert learned.first > untaught.first + 0.5
    assert learned.mask > untaught.mask + 0.4


class NoBank(Bank):
    """Remembers nothing."""

    def remember(self, *_: object) -> None:
        """Forget it."""


@pytest.mark.timeout(400)  # half a minute where nothing else runs
def test_with_a_bank_what_is_absent_is_rejected_better(tmp_path: Path) -> None:
    found = {}
    for name, bank in (("with", Bank(["shapes"], capacity=64)), ("without", NoBank(["shapes"]))):
        place = tmp_path / name
        place.mkdir()
        scenes = answers(taught(PromptKind.PHRASE, place, 40, bank=bank), PromptKind.PHRASE)
        absent = [each.logits[:, ~each.answers.any(0)].max(0) for each in scenes]
        present = [each.logits[:, each.answers.any(0)].max(0) for each in scenes]
        found[name] = float(np.concatenate(present).mean() - np.concatenate(absent).mean())

    assert found["with"] > found["without"] + 0.1


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = taught(PromptKind.PHRASE, tmp_path / "whole", 6)
    stopped = taught(PromptKind.PHRASE, tmp_path / "stopped", 6, stopped=3)

    for key, value in whole.state_dict().items():
        torch.testing.assert_close(stopped.state_dict()[key], value, rtol=0, atol=0, msg=key)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(
            taught(PromptKind.PHRASE, tmp_path, 5).proposer.score.weight, whole.proposer.score.weight
        )
