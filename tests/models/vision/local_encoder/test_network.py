import numpy as np
import pytest
import torch

from models.export import compare, write_graph
from models.vision.anyres.network import read
from models.vision.boxes import Box
from models.vision.efficientnet.network import EfficientNetLite0
from models.vision.local_encoder.network import CHANNELS, GridReader, LocalEncoder
from models.vision.local_encoder.points import POINTS, region_points


@pytest.fixture(scope="module")
def encoder() -> LocalEncoder:
    torch.manual_seed(0)
    return LocalEncoder(EfficientNetLite0()).eval()


@pytest.fixture(scope="module")
def reader() -> GridReader:
    torch.manual_seed(0)
    return GridReader(24).eval()


def tiles(count: int) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(count).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    )


def points(*boxes: Box) -> torch.Tensor:
    return torch.from_numpy(np.stack([region_points(box, width_px=160, height_px=80) for box in boxes])[None])


def ramp(rows: int, columns: int) -> torch.Tensor:
    """Return a map whose first channel is x and whose second is y, as shares of its sides."""
    y, x = torch.meshgrid(
        (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij"
    )
    return torch.stack([x, y], -1)[None]


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (8, 24), (20, 6)])
def test_maps_are_read_at_the_place_of_the_region_whatever_their_shape(rows: int, columns: int) -> None:
    box = Box(100, 20, 120, 40)

    found = read(ramp(rows, columns), points(box)[..., :2]).mean(2)

    np.testing.assert_allclose(found[0, 0], [110 / 160, 30 / 80], atol=1e-5)


def test_beyond_the_middle_of_the_last_cell_its_value_holds() -> None:
    found = read(ramp(4, 4), points(Box(159, 79, 160, 80))[..., :2])

    np.testing.assert_allclose(found[0, 0], torch.full((POINTS, 2), 0.875), atol=1e-5)


def test_a_patch_belongs_to_its_eight_pixels(encoder: LocalEncoder) -> None:
    black = torch.zeros(1, 224, 224, 3, dtype=torch.uint8)
    dot = black.clone()
    dot[0, 160:168, 40:48] = 255

    with torch.inference_mode():
        changed = (encoder(dot) - encoder(black)).norm(dim=-1)[0]

    assert changed.shape == (28, 28)
    assert divmod(int(changed.argmax()), 28) == (20, 5)


def test_a_batch_of_tiles_equals_single_tiles(encoder: LocalEncoder) -> None:
    with torch.inference_mode():
        together = encoder(tiles(3))
        alone = torch.cat([encoder(each[None]) for each in tiles(3)])

    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_a_batch_of_regions_and_images_equals_single_ones(reader: GridReader) -> None:
    local, overview = torch.randn(2, 8, 16, CHANNELS), torch.randn(2, 8, 8, CHANNELS)
    boxes = points(Box(0, 0, 10, 10), Box(50, 10, 150, 80), Box(159, 79, 160, 80)).repeat(2, 1, 1, 1)

    with torch.inference_mode():
        together = reader(local, overview, boxes)
        alone = [reader(local[[i]], overview[[i]], boxes[[i]][:, [r]]) for i in range(2) for r in range(3)]

    np.testing.assert_allclose(together.reshape(6, -1), torch.cat(alone)[:, 0], atol=1e-5)
    np.testing.assert_allclose(together.norm(dim=-1), 1, atol=1e-5)


def test_what_is_outside_the_mask_does_not_matter(reader: GridReader) -> None:
    inside = points(Box(0, 0, 160, 80))
    inside[0, 0, :, 2] = (inside[0, 0, :, 0] < 0.5).float()
    local, overview = torch.randn(1, 8, 16, CHANNELS), torch.randn(1, 8, 8, CHANNELS)
    other_local, other_overview = local.clone(), overview.clone()
    other_local[:, :, 9:] = 7
    other_overview[:, :, 5:] = 7

    with torch.inference_mode():
        first, second = reader(local, overview, inside), reader(other_local, other_overview, inside)

    np.testing.assert_allclose(first, second, atol=1e-6)


def test_the_first_stages_stay_as_they_were_and_the_later_ones_learn(encoder: LocalEncoder) -> None:
    encoder(tiles(1)).sum().backward()

    learns = [any(weight.grad is not None for weight in block.parameters()) for block in encoder.blocks]
    encoder.zero_grad()

    assert learns == [False] * 3 + [True] * 13


def test_both_graphs_equal_the_modules(
    encoder: LocalEncoder, reader: GridReader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graphs")
    boxes = points(Box(0, 0, 10, 10), Box(50, 10, 150, 80)).repeat(2, 1, 1, 1)
    maps = {"local": torch.randn(2, 56, 28, CHANNELS), "overview": torch.randn(2, 28, 28, CHANNELS)}
    axes = {"local": ("b", "row", "column"), "overview": ("b", "h", "w"), "points": ("b", "region")}

    write_graph(
        encoder,
        {"tiles": tiles(2)},
        folder=folder / "local",
        outputs=("patches",),
        dynamic_axes={"tiles": ("n",)},
    )
    write_graph(
        reader,
        {**maps, "points": boxes},
        folder=folder / "regions",
        outputs=("embeddings",),
        dynamic_axes=axes,
    )

    with torch.inference_mode():
        patches = encoder(tiles(3)).numpy()
        other = {"local": torch.randn(1, 28, 84, CHANNELS), "overview": torch.randn(1, 28, 28, CHANNELS)}
        embeddings = reader(*other.values(), boxes[:1, :1]).numpy()
    compare(
        folder / "local",
        {"tiles": tiles(3).numpy()},
        [patches],
        tolerance=1e-4 * float(np.abs(patches).max()),
    )
    fed = {name: value.numpy() for name, value in {**other, "points": boxes[:1, :1]}.items()}
    compare(folder / "regions", fed, [embeddings], tolerance=1e-4)
