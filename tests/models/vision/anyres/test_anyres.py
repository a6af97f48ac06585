"""The torch modules do what NumPy does, train, and become graphs that do the same."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from models.export import GRAPH
from models.vision import fusion, sampler
from models.vision.anyres.export import export, map_inputs, region_inputs
from models.vision.anyres.network import (
    Fusion,
    Projector,
    RegionEncoder,
    RegionReader,
    Sampler,
    parameters,
    projector_weights,
    read,
)
from models.vision.boxes import Box
from models.vision.regions import Mask, Point, Region
from models.vision.sampler import Geometry, SamplerSettings, Stage, geometry
from models.vision.tiles import WHOLE, Grid, Layout, padded, stretched

SMALL = SamplerSettings(points=24, stages=(Stage(8, 5), Stage(3, 4)))


def _picture(
    layout: Callable[..., Layout], *, grid: Grid, whole_cells: tuple[int, int], seed: int = 0
) -> tuple[Layout, dict[str, np.ndarray]]:
    """Return the layout of a picture of 400 x 300 pixels, and its maps, four cells a tile's side."""
    random = np.random.default_rng(seed)
    tiles = layout(400, 300, grid=grid, side_px=64)
    cells = (4 * grid.rows, 4 * grid.columns)
    by = fusion.upsampling(
        tiles, layout(400, 300, grid=WHOLE, side_px=64), local_cells=cells, global_cells=whole_cells
    )
    global_map = random.standard_normal((*whole_cells, 20), dtype=np.float32)
    local_map = random.standard_normal((*cells, 12), dtype=np.float32)
    return tiles, map_inputs(global_map, local_map, by)


def _regions() -> list[Region]:
    holed = np.zeros((300, 400), dtype=bool)
    holed[100:200, 50:300] = True
    holed[140:150, 60:200] = False
    holed[299, 399] = True
    return [Box(10, 20, 160, 180), Point(3.0, 4.0), Mask(holed), Box(399, 0, 400, 1)]


def _encoder(settings: SamplerSettings = SMALL) -> RegionEncoder:
    torch.manual_seed(0)
    fused = Fusion(Projector(20, 16), Projector(12, 16))
    return RegionEncoder(fused, Sampler(16, 24, settings)).eval()


def _run(module: nn.Module, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = module(*map(torch.from_numpy, inputs.values())).numpy()
    return found


def _numpy(encoder: RegionEncoder, inputs: Mapping[str, np.ndarray], where: Geometry) -> np.ndarray:
    """Return what the plain functions compute with an encoder's weights."""
    fused = fusion.fuse(
        inputs["global_map"],
        inputs["local_map"],
        by=fusion.Upsampling(inputs["rows"], inputs["columns"]),
        global_projector=projector_weights(encoder.fusion.global_projector),
        local_projector=projector_weights(encoder.fusion.local_projector),
    )
    regions = encoder.reader.sampler
    return sampler.sample(fused, where, regions.weights(), regions.settings)


@pytest.mark.parametrize("layout", [stretched, padded])
@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize("legacy_transpose", [False, True])
def test_torch_and_numpy_give_the_same_vectors(
    layout: Callable[..., Layout],
    pool: Literal["max", "mean"],
    legacy_transpose: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    settings = SamplerSettings(SMALL.points, SMALL.stages, pool, legacy_transpose)
    encoder = _encoder(settings)
    tiles, maps = _picture(layout, grid=Grid(3, 2), whole_cells=(4, 5))
    where = geometry(_regions(), tiles, settings)

    found = _run(encoder, {**maps, **region_inputs(where)})

    np.testing.assert_allclose(found, _numpy(encoder, maps, where), rtol=0, atol=1e-5)


def test_at_the_published_size_torch_and_numpy_give_the_same_vectors() -> None:
    torch.manual_seed(0)
    regions = Sampler(64, 128).eval()
    features = np.random.default_rng(0).standard_normal((8, 12, 64), dtype=np.float32)
    where = geometry(_regions(), stretched(400, 300, grid=Grid(3, 2), side_px=64))

    found = _run(RegionReader(regions), {"features": features, **region_inputs(where)})

    np.testing.assert_allclose(found, sampler.sample(features, where, regions.weights()), rtol=0, atol=1e-5)


def test_the_sampler_has_as_many_parameters_as_published() -> None:
    with torch.device("meta"):
        published = Sampler(1024, 4096)

    assert parameters(published) == 44_069_900
    assert parameters(Sampler(64, 128)) == 165_580
    assert Sampler(64, 128).weights().size == 165_580


def test_maps_of_several_pictures_are_read_as_each_alone() -> None:
    random = np.random.default_rng(0)
    maps = random.standard_normal((3, 5, 7, 4), dtype=np.float32)
    points = random.random((3, 2, 9, 2), dtype=np.float32)

    for legacy in (False, True):
        together = read(torch.from_numpy(maps), torch.from_numpy(points), legacy_transpose=legacy).numpy()

        for one, there, found in zip(maps, points, together, strict=True):
            expected = sampler.read(one, there, legacy_transpose=legacy)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_fusion_of_several_pictures_is_that_of_each() -> None:
    fused = _encoder().fusion
    _, maps = _picture(stretched, grid=Grid(2, 1), whole_cells=(3, 3))
    _, others = _picture(stretched, grid=Grid(2, 1), whole_cells=(3, 3), seed=1)
    both = {**maps, **{name: np.stack((maps[name], others[name])) for name in ("global_map", "local_map")}}

    together = _run(fused, both)

    np.testing.assert_allclose(together[0], _run(fused, maps), rtol=0, atol=1e-6)
    np.testing.assert_allclose(together[1], _run(fused, others), rtol=0, atol=1e-6)


def test_every_parameter_learns_from_a_regions_vector() -> None:
    encoder = _encoder()
    tiles, maps = _picture(stretched, grid=Grid(2, 2), whole_cells=(4, 4))
    inputs = {**maps, **region_inputs(geometry(_regions(), tiles, SMALL))}

    encoder(*map(torch.from_numpy, inputs.values())).square().sum().backward()

    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_the_local_projector_can_begin_as_the_global_one_and_then_goes_its_own_way() -> None:
    fused = Fusion(Projector(12, 16), Projector(12, 16))
    fused.start_local_from_global()
    values = torch.randn(5, 12)

    assert torch.equal(fused.local_projector(values), fused.global_projector(values))
    with torch.no_grad():
        fused.local_projector[0].weight.zero_()
    assert not torch.equal(fused.local_projector(values), fused.global_projector(values))


def test_projectors_of_unlike_encoders_cannot_begin_alike() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        Fusion(Projector(20, 16), Projector(12, 16)).start_local_from_global()


def test_either_projector_may_be_something_else() -> None:
    fused = Fusion(nn.Linear(20, 16), nn.Sequential(nn.Linear(12, 3), nn.ReLU(), nn.Linear(3, 16)))
    _, maps = _picture(stretched, grid=Grid(2, 1), whole_cells=(3, 3))

    assert _run(fused, maps).shape == (4, 8, 16)


def test_fusion_as_a_graph_is_fusion_for_maps_of_any_size(tmp_path: Path) -> None:
    fused = _encoder().fusion
    _, example = _picture(stretched, grid=Grid(3, 2), whole_cells=(4, 5))

    export(fused, example, folder=tmp_path, output="fused")

    session = onnxruntime.InferenceSession(str(tmp_path / GRAPH), providers=["CPUExecutionProvider"])
    for layout, grid, cells in (
        (padded, Grid(1, 2), (7, 7)),
        (stretched, WHOLE, (4, 4)),
        (padded, Grid(6, 1), (2, 3)),
    ):
        _, maps = _picture(layout, grid=grid, whole_cells=cells)
        np.testing.assert_allclose(session.run(None, maps)[0], _run(fused, maps), rtol=0, atol=1e-4)


def test_the_sampler_as_a_graph_is_the_sampler(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reader = RegionReader(Sampler(16, 24)).eval()
    features = np.random.default_rng(0).standard_normal((8, 12, 16), dtype=np.float32)
    where = geometry(_regions(), stretched(400, 300, grid=Grid(3, 2), side_px=64))
    inputs = {"features": features, **region_inputs(where)}

    export(reader, inputs, folder=tmp_path, output="embeddings")

    session = onnxruntime.InferenceSession(str(tmp_path / GRAPH), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, inputs)[0], _run(reader, inputs), rtol=0, atol=1e-4)


def test_one_graph_encodes_any_number_of_regions_of_any_picture_as_torch_does(tmp_path: Path) -> None:
    encoder = _encoder()
    tiles, maps = _picture(stretched, grid=Grid(2, 2), whole_cells=(4, 4))
    where = geometry(_regions(), tiles, SMALL)

    export(encoder, {**maps, **region_inputs(where)}, folder=tmp_path, output="embeddings")

    session = onnxruntime.InferenceSession(str(tmp_path / GRAPH), providers=["CPUExecutionProvider"])
    for layout, grid, count in ((stretched, Grid(3, 2), 1), (padded, Grid(1, 5), 4), (padded, WHOLE, 3)):
        tiles, maps = _picture(layout, grid=grid, whole_cells=(5, 6))
        inputs = {**maps, **region_inputs(geometry(_regions()[:count], tiles, SMALL))}
        found = session.run(None, inputs)[0]
        assert found.shape == (count, 24)
        np.testing.assert_allclose(found, _run(encoder, inputs), rtol=0, atol=1e-4)
