from dataclasses import fields

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.segmentation.alignment.network import score
from models.segmentation.masking.network import mask_logits
from models.segmentation.network import CHANNELS, STRIDES, Detector, Found, Layer, Maps
from models.segmentation.pyramid.network import centres, waves
from models.segmentation.reading.network import RegionReader, read
from models.vision.efficientnet.network import EfficientNetLite0
from tests.models.segmentation.conftest import SMALL

NAMES = torch.zeros(1, 1, SMALL.texts)


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, SMALL.side_px, SMALL.side_px, 3), generator=generator, dtype=torch.uint8)


@pytest.fixture
def sentences() -> Tensor:
    return torch.randn(2, 3, SMALL.texts, generator=torch.Generator().manual_seed(1))


def numbers(found: Found) -> list[Tensor]:
    """Return all that was found of the last layer."""
    last = found.layers[-1]
    return [getattr(last, field.name) for field in fields(Layer)] + [
        found.objectness,
        found.mask_queries,
        found.mask_features,
        found.texts,
    ]


def test_everything_has_the_shape_that_it_is_promised(
    small: Detector, images: Tensor, sentences: Tensor
) -> None:
    maps = small.read(images)
    found = small.find(maps, sentences)

    assert [level.shape[1:] for level in maps.levels] == [
        (channels, SMALL.side_px // stride, SMALL.side_px // stride)
        for channels, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    assert found.proposals.logits.shape == (2, 12**2 + 6**2 + 3**2)
    assert len(found.layers) == SMALL.decoder_layers
    assert found.layers[0].queries.shape == (2, SMALL.queries, SMALL.texts)
    assert mask_logits(found.mask_queries, found.mask_features).shape == (2, SMALL.queries, 24, 24)


def test_the_whole_is_reading_and_finding(small: Detector, images: Tensor, sentences: Tensor) -> None:
    torch.testing.assert_close(
        numbers(small(images, sentences)), numbers(small.find(small.read(images), sentences))
    )


def test_what_was_read_may_be_kept_in_16_bits(small: Detector, images: Tensor, sentences: Tensor) -> None:
    maps = small.read(images)
    kept = Maps(tuple(level.half() for level in maps.levels))

    torch.testing.assert_close(
        small.find(kept, sentences).mask_features,
        small.find(maps, sentences).mask_features,
        atol=1e-2,
        rtol=1e-2,
    )


def test_a_picture_does_not_feel_its_company(small: Detector, images: Tensor, sentences: Tensor) -> None:
    together = numbers(small(images, sentences))

    torch.testing.assert_close(
        [each[1:] for each in together], numbers(small(images[1:], sentences[1:])), atol=1e-5, rtol=0
    )


def test_names_leave_the_token_as_it_is_and_sentences_change_texts_and_picture(
    small: Detector, images: Tensor, sentences: Tensor
) -> None:
    named, asked = small(images[:1], NAMES), small(images[:1], sentences[:1])

    assert torch.equal(named.texts, NAMES)
    assert not torch.equal(asked.texts, sentences[:1])
    assert not torch.allclose(asked.mask_features, named.mask_features)


def test_a_name_scores_the_same_among_a_thousand_others(small: Detector, images: Tensor) -> None:
    found = small(images[:1], NAMES).layers[-1]
    generator = torch.Generator().manual_seed(0)
    names = torch.randn(1, 5, SMALL.texts, generator=generator)
    others = torch.randn(1, 1000, SMALL.texts, generator=generator)

    among = score(found.queries, found.offsets, torch.cat([others, names], 1))[..., 1000:]

    torch.testing.assert_close(among, score(found.queries, found.offsets, names), atol=1e-5, rtol=0)


def test_all_learns_but_the_trunk_and_what_learns_by_itself(
    small: Detector, images: Tensor, sentences: Tensor
) -> None:
    found = small.train()(images, sentences)
    terms = [each.sum() for layer in found.layers for each in (layer.boxes, layer.queries, layer.offsets)]
    terms += [found.proposals.logits.sum(), found.proposals.boxes.sum(), found.texts.sum()]
    terms.append(mask_logits(found.mask_queries, found.mask_features).sum())
    texts = score(found.layers[-1].queries, found.layers[-1].offsets, found.texts)

    (torch.stack(terms).sum() + texts.sum()).backward()

    learning = {name: weight for name, weight in small.named_parameters() if weight.grad is not None}
    by_themselves = ("trunk.", "refiner.", "relations.")
    expected = {name for name, _ in small.named_parameters() if not name.startswith(by_themselves)}
    assert learning.keys() == expected


def test_the_trunk_stays_as_it_is_used_while_the_rest_is_trained(small: Detector) -> None:
    small.train()

    assert small.encoder.training
    assert not any(module.training for module in small.trunk.modules())


def test_what_is_new_is_small() -> None:
    detector = Detector(EfficientNetLite0())

    new = sum(weight.numel() for weight in detector.parameters() if weight.requires_grad)

    assert new < 4_000_000


def test_later_layers_begin_where_earlier_ones_ended(small: Detector, images: Tensor) -> None:
    boxes = [layer.boxes for layer in small(images[:1], NAMES).layers]

    torch.testing.assert_close(boxes[1], boxes[0], atol=1e-5, rtol=0)  # nothing has been learnt yet

    torch.nn.init.constant_(small.decoder[0].refine.output.bias, 0.2)
    moved = [layer.boxes for layer in small(images[:1], NAMES).layers]

    assert not torch.allclose(moved[0], boxes[0])
    torch.testing.assert_close(moved[1], moved[0], atol=1e-3, rtol=0)


def test_a_mask_is_the_product_of_its_query_and_each_pixel() -> None:
    queries, features = torch.rand(2, 3, 4), torch.rand(2, 4, 5, 6)

    torch.testing.assert_close(
        mask_logits(queries, features)[1, 2, 3, 4], queries[1, 2] @ features[1, :, 3, 4]
    )


def test_the_mean_over_a_box_is_that_of_reading_its_points_one_by_one() -> None:
    torch.manual_seed(0)
    deep, side = torch.rand(1, 6, 6, 6), SMALL.region_points
    box = torch.tensor([[[-0.1, 0.2, 0.5, 0.9]]])  # over the edge, where what is at the edge goes on
    reader = RegionReader(SMALL, [4], 6, stride=16)
    steps = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(0.2 + 0.7 * steps, -0.1 + 0.6 * steps, indexing="ij")
    points = torch.stack([x, y], -1)[None]
    read = functional.grid_sample(deep, 2 * points - 1, padding_mode="border", align_corners=False)
    seen: list[Tensor] = []
    reader.deep.register_forward_hook(lambda _module, inputs, _output: seen.extend(inputs))

    reader(box, [torch.rand(1, 4, 8, 8)], deep)

    torch.testing.assert_close(seen[0][0, 0], read.mean((2, 3))[0])


def test_a_region_is_read_where_it_is_and_teaches_boxes_nothing() -> None:
    torch.manual_seed(0)
    reader = RegionReader(SMALL, [4], 6, stride=24)
    left = torch.zeros(1, 4, 8, 8)
    left[..., :4] = 1
    boxes = torch.tensor([[[0.05, 0.1, 0.35, 0.9], [0.65, 0.1, 0.95, 0.9], [0.05, 0.1, 0.35, 0.9]]])

    there, elsewhere, again = reader(boxes.requires_grad_(), [left], torch.zeros(1, 6, 4, 4))[0]

    assert not torch.allclose(there, elsewhere)
    assert torch.equal(there, again)
    assert boxes.grad_fn is None
    assert there.grad_fn is not None


def test_middles_go_row_by_row_and_waves_tell_them_apart() -> None:
    assert centres(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert len(torch.unique(waves(centres(48), 128), dim=0)) == 48 * 48


def test_points_are_read_as_grid_sample_reads_them_also_beyond_the_edge() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, channels, 9, 7, generator=generator) for channels in (3, 5)]
    points = torch.rand(2, 4, 6, 2, generator=generator) * 1.6 - 0.3
    wanted = [
        functional.grid_sample(each, 2 * points - 1, padding_mode="border", align_corners=False)
        for each in maps
    ]

    torch.testing.assert_close(read(maps, points), torch.cat(wanted, 1).permute(0, 2, 3, 1))
