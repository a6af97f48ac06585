from pathlib import Path

import numpy as np
import pytest
import torch

from models.vision.efficientnet.network import EfficientNetLite0
from models.vision.local_encoder.data import Lessons, lesson, principal
from models.vision.local_encoder.losses import Distillation
from models.vision.local_encoder.network import GridReader, LocalEncoder
from models.vision.local_encoder.settings import TrainingSettings
from models.vision.local_encoder.train import learn_map, learn_reader
from models.vision.scenes import CutOut
from models.vision.tiles import WHOLE, Grid

SETTINGS = TrainingSettings(map_steps=3, reader_steps=4, reader_scenes=5, reader_batch=1, saved_every=2)
DIMENSIONS = 8


def colours(count: int) -> Lessons:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 256, (count, 32, 32, 4), dtype=np.uint8)
    drawn[:, :, :, 3] = 255
    targets = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    shown = tuple(CutOut(str(number), rgba) for number, rgba in enumerate(drawn))
    return Lessons(shown, targets, np.arange(count))


def modules() -> tuple[LocalEncoder, GridReader]:
    torch.manual_seed(0)
    return LocalEncoder(EfficientNetLite0()), GridReader(DIMENSIONS)


LESSONS = colours(30)


@pytest.mark.parametrize("grid", [WHOLE, Grid(2, 2), Grid(2, 1)])
def test_a_scene_comes_with_a_region_for_each_thing_in_it(grid: Grid) -> None:
    drawn = lesson(LESSONS, grid, 3)

    assert len(drawn.tiles) == (1 if grid == WHOLE else grid.tiles + 1)
    assert drawn.points.shape == (len(drawn.shown), 64, 3)
    assert len(set(drawn.shown.tolist())) == len(drawn.shown) > 5


def test_a_scene_is_the_same_for_the_same_seed() -> None:
    first, again, other = (lesson(LESSONS, WHOLE, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.tiles, again.tiles)
    assert (first.tiles != other.tiles).any()


def test_the_loss_falls_towards_the_target_and_ignores_others_of_its_class() -> None:
    same = Lessons(LESSONS.cutouts, LESSONS.targets, np.arange(30) // 2)
    targets = torch.from_numpy(LESSONS.targets)
    shown = torch.arange(30)
    strict, lenient = Distillation(LESSONS, SETTINGS), Distillation(same, SETTINGS)

    assert strict(targets, shown) < strict(targets.roll(1, 0), shown)
    assert lenient(targets, shown) < strict(targets, shown)


def test_the_most_telling_directions_keep_who_is_like_whom() -> None:
    rng = np.random.default_rng(1)
    flat = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 20))
    whole = Lessons((), flat.astype(np.float32), np.arange(50))

    reduced = principal(whole, 3).targets

    centred = flat - flat.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(reduced @ reduced.T, centred @ centred.T, atol=1e-4)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, parts = modules(), modules()
    seen: list[int] = []
    learn_map(whole, LESSONS, SETTINGS, checkpoint=tmp_path / "whole.pt", report=lambda *_: None)

    def stop_after_two(step: int, _: float) -> None:
        seen.append(step)
        if seen == [0, 1, 2]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_map(parts, LESSONS, SETTINGS, checkpoint=tmp_path / "parts.pt", report=stop_after_two)
    again = modules()
    learn_map(again, LESSONS, SETTINGS, checkpoint=tmp_path / "parts.pt", report=stop_after_two)

    assert seen == [0, 1, 2, 2]
    for weights, resumed in (
        (whole[0].state_dict(), again[0].state_dict()),
        (whole[1].state_dict(), again[1].state_dict()),
    ):
        for name, weight in weights.items():
            np.testing.assert_allclose(weight, resumed[name], atol=1e-4, err_msg=name)


def test_the_reader_learns_while_the_map_stays(tmp_path: Path) -> None:
    encoder, reader = modules()
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    losses: list[float] = []
    settings = TrainingSettings(reader_steps=30, reader_scenes=3, reader_batch=1, warm_up_steps=1)

    learn_reader(
        (encoder, reader),
        LESSONS,
        settings,
        checkpoint=tmp_path / "reader.pt",
        report=lambda _, loss: losses.append(loss),
    )

    assert np.mean(losses[-5:]) < 0.8 * losses[0]
    for name, weight in encoder.state_dict().items():
        assert torch.equal(weight, before[name]), name
