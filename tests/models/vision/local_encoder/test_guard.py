import numpy as np

from models.vision.boxes import Box
from models.vision.efficientnet.network import STAGES, EfficientNetLite0
from models.vision.local_encoder.guard import MiddleStages, mean_reader, right, scenes, taught
from models.vision.scenes import CutOut

COLOURS = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (0, 255, 255),
    (255, 0, 255),
    (0, 0, 0),
    (250, 130, 0),
)


def cut_out(number: int) -> CutOut:
    rgba = np.full((32, 32, 4), 255, dtype=np.uint8)
    rgba[:, :, :3] = COLOURS[number]
    return CutOut(str(number), rgba)


def colours_of(tiles: np.ndarray) -> np.ndarray:
    """Return the mean colour of each 8 x 8 pixels."""
    return tiles.reshape(len(tiles), 28, 8, 28, 8, 3).mean((2, 4), dtype=np.float32)


CUT_OUTS = [cut_out(number) for number in range(len(COLOURS))]


def test_the_untrained_map_has_the_middle_stages_side_by_side() -> None:
    found = MiddleStages(EfficientNetLite0())(np.zeros((2, 224, 224, 3), dtype=np.uint8))

    assert found.shape == (2, 28, 28, sum(stage.channels for stage in STAGES[2:]))


def test_a_map_of_colours_finds_large_things_by_their_colour() -> None:
    reader = mean_reader(colours_of)

    memory = taught(reader, CUT_OUTS)
    found, total = right(reader, memory, scenes(CUT_OUTS, (64, 160), seed=0))

    assert (found, total) == (8, 8)


def test_who_never_saw_the_colours_is_wrong() -> None:
    reader = mean_reader(colours_of)
    memory = taught(reader, CUT_OUTS)

    found, total = right(reader, np.roll(memory, 1, axis=0), scenes(CUT_OUTS, (64, 160), seed=0))

    assert (found, total) == (0, 8)


def test_points_outside_the_mask_have_no_share_in_the_mean() -> None:
    image = np.zeros((224, 224, 3), dtype=np.uint8)
    image[:, :112] = 200
    mask = np.zeros((224, 224), dtype=bool)
    mask[:, :112] = True

    (read,) = mean_reader(colours_of).read(image, [Box(0, 0, 224, 224)], [mask])

    np.testing.assert_allclose(read, 200, atol=1)
