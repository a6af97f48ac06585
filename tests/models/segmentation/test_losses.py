"""What counts in training, and what does not."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from models.segmentation.alignment.network import score
from models.segmentation.assignment.losses import NONE, assign, iou
from models.segmentation.crowds.losses import Crowds
from models.segmentation.losses import Target, Weights, criterion
from models.segmentation.masking.network import mask_logits
from models.segmentation.measures.losses import around, dice, direction, distance, focal, giou, pixelwise
from models.segmentation.network import Detector, Found, Layer
from tests.models.segmentation.losing import (
    QUERIES,
    SIDE,
    TEXTS,
    a_finding,
    a_target,
    some_boxes,
    some_texts,
    total_of,
)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


Pair = tuple[int, int, int]  # picture, query, thing


def _near(found: Found, targets: list[Target], image: int) -> Tensor:
    return iou(targets[image].boxes[None], found.layers[0].boxes[image : image + 1])


def _pairs(found: Found, targets: list[Target]) -> list[Pair]:
    truths = [
        assign(_near(found, targets, image), least=0.6, most=4).truth[0] for image in range(len(targets))
    ]
    return [
        (image, query, thing)
        for image, truth in enumerate(truths)
        for query, thing in enumerate(truth.tolist())
        if thing != NONE
    ]


def _words(
    layer: Layer, texts: Tensor, targets: list[Target], nears: list[Tensor], pairs: list[Pair]
) -> float:
    """Every query against every prompt, but for those that a query may or may not be true of."""
    learning = {(image, query): thing for image, query, thing in pairs}
    logits = score(layer.queries, layer.offsets, texts)
    lost = 0.0
    for image, query, prompt in product(range(len(targets)), range(QUERIES), range(texts.shape[1])):
        thing, best = learning.get((image, query)), int(nears[image][0, :, query].argmax())
        answers = targets[image].answers
        true = thing is not None and bool(answers[thing, prompt])
        unsure = thing is None and nears[image][0, best, query] >= 0.6 and bool(answers[best, prompt])
        lost += 0 if unsure else focal(logits[image, query, prompt][None], torch.tensor([float(true)])).item()
    return lost


def test_each_term_equals_a_sum_over_one_pair_after_the_other() -> None:
    found, targets, texts = a_finding(), [a_target(3), a_target(2)], some_texts()
    with torch.no_grad():  # more about one thing than may learn from it
        found.layers[0].boxes[1, :6] = targets[1].boxes[0] + torch.randn(6, 4) / 200

    terms = criterion(found, targets, texts)

    pairs = _pairs(found, targets)
    nears = [_near(found, targets, image) for image in range(len(targets))]
    sums = {
        f"words_{at}": _words(layer, texts, targets, nears, pairs) for at, layer in enumerate(found.layers)
    }
    for image, query, thing in pairs:
        wished = targets[image].boxes[thing][None]
        for at, layer in enumerate(found.layers):
            own = layer.boxes[image, query][None]
            sums[f"boxes_{at}"] = sums.get(f"boxes_{at}", 0) + 5 * distance(own, wished).item()
            sums[f"overlap_{at}"] = sums.get(f"overlap_{at}", 0) + 2 * (1 - giou(own, wished)).item()
        own = mask_logits(found.mask_queries[image, query][None], found.mask_features[image])
        wished = targets[image].masks[thing][None]
        near = around(targets[image].boxes[thing][None], SIDE, reach=0.2)
        sums["masks"] = sums.get("masks", 0) + 5 * pixelwise(own, wished, near).item()
        sums["dice"] = sums.get("dice", 0) + 5 * dice(own, wished, near).item()
    assert len(pairs) == 7
    expected = {name: value / len(pairs) for name, value in sums.items()}
    assert {name: terms[name].item() for name in expected} == pytest.approx(expected, rel=1e-4)


def test_masks_and_directions_are_of_the_last_layer_alone() -> None:
    assert set(criterion(a_finding(layers=2), [a_target(), a_target()], some_texts())) == {
        *(f"{term}_{of}" for term in ("words", "boxes", "overlap") for of in ("0", "1", "proposals")),
        *("masks", "dice", "teacher"),
    }


def test_a_weight_of_nothing_leaves_nothing_of_its_term() -> None:
    nothing = Weights(words=0.0, boxes=0.0, overlap=0.0, masks=0.0, dice=0.0, teacher=0.0)

    assert total_of(criterion(a_finding(), [a_target(), a_target()], some_texts(), nothing)).item() == 0


def test_a_box_near_a_thing_that_others_learn_is_not_told_that_it_is_wrong() -> None:
    found, target = a_finding(batch=1, layers=1), a_target(1, prompts=2)
    crowd = target.boxes.expand(1, QUERIES, 4).clone().requires_grad_()
    found = replace(found, layers=(replace(found.layers[0], boxes=crowd),))
    texts = torch.eye(2, TEXTS)[None]  # a prompt that is true of the thing, and one that is not

    criterion(found, [target], texts)["words_0"].backward()

    assert found.layers[0].queries.grad is not None
    told = found.layers[0].queries.grad[0, :, :2] != 0
    assert told.sum(0).tolist() == [4, QUERIES]


def test_a_box_in_a_crowd_is_neither_right_nor_wrong() -> None:
    found, target = a_finding(batch=1, layers=1), a_target(1, prompts=2)
    texts = torch.eye(2, TEXTS)[None]
    everywhere = Crowds(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[False, True]]))

    terms = criterion(found, [replace(target, crowds=everywhere)], texts)
    (terms["words_0"] + terms["words_proposals"]).backward()

    queries, proposed = found.layers[0].queries.grad, found.proposals.logits.grad
    assert queries is not None
    assert proposed is not None
    assert queries[0, :, 0].all()  # of what is not in the crowd it is told everything
    assert not queries[0, :, 1].any()
    learning = assign(iou(target.boxes[None], found.proposals.boxes), least=0.7, most=4).truth[0] != NONE
    assert not proposed[0, ~learning].any()
    assert proposed[0, learning].all()


def test_what_learns_from_a_thing_learns_in_a_crowd_too() -> None:
    found, target = a_finding(batch=1, layers=1), a_target(1, prompts=2)
    texts = torch.eye(2, TEXTS)[None]
    around_it = Crowds(target.boxes, torch.tensor([[True, True]]))
    with torch.no_grad():
        found.layers[0].boxes[0, 3] = target.boxes[0]

    criterion(found, [replace(target, crowds=around_it)], texts)["words_0"].backward()

    assert found.layers[0].queries.grad is not None
    assert found.layers[0].queries.grad[0, 3, :2].tolist()[1] == 0
    assert found.layers[0].queries.grad[0, 3, 0] < 0  # more of what it shows


def test_regions_turn_to_where_their_teacher_points() -> None:
    found, texts = a_finding(), some_texts()
    given = torch.nn.functional.normalize(torch.randn(3, TEXTS), dim=-1)
    given[1] = 0
    targets = [replace(a_target(), teachers=given), a_target()]

    terms = criterion(found, targets, texts)
    terms["teacher"].backward()

    last = found.layers[-1].queries
    assert last.grad is not None
    overlap = iou(targets[0].boxes[None], found.layers[0].boxes[:1])
    truth = assign(overlap, least=0.6, most=4).truth[0]
    taught = (truth != NONE) & (truth != 1)
    assert torch.equal(last.grad.abs().sum(-1)[0] > 0, taught)
    assert not last.grad[1].any()
    expected = direction(last[0, taught], given[truth[taught]]).mean()
    assert terms["teacher"].item() == pytest.approx(expected.item())


def test_what_follows_the_gradient_comes_nearer_to_the_truth_in_every_respect() -> None:
    found, targets, texts = (
        a_finding(1, layers=1),
        [replace(a_target(), teachers=torch.randn(3, TEXTS))],
        some_texts(1),
    )
    (last,) = found.layers
    places = [found.proposals.boxes, last.boxes]
    others = [found.proposals.logits, last.queries, found.mask_queries, found.mask_features]
    before = criterion(found, targets, texts)

    for _ in range(20):
        gradients = torch.autograd.grad(total_of(criterion(found, targets, texts)), places + others)
        with torch.no_grad():
            for place, (leaf, gradient) in enumerate(zip(places + others, gradients, strict=True)):
                leaf.sub_((0.003 if place < len(places) else 0.1) * gradient.sign())

    after = criterion(found, targets, texts)
    assert {name for name in before if after[name].item() > 0.8 * before[name].item()} == set()


def test_all_that_is_trained_learns_from_it(small: Detector) -> None:
    sizes = small.settings
    side = sizes.side_px // 4
    targets = [
        Target(
            some_boxes(3),
            (torch.rand(3, side, side) > 0.5).float(),
            torch.eye(3, 5, dtype=torch.bool),
            teachers=torch.randn(3, sizes.texts),
        )
        for _ in range(2)
    ]
    images = torch.randint(0, 255, (2, sizes.side_px, sizes.side_px, 3), dtype=torch.uint8)

    found = small.train()(images, torch.randn(2, 2, sizes.texts))
    texts = torch.cat((found.texts, torch.randn(2, 3, sizes.texts)), 1)
    total_of(criterion(found, targets, texts)).backward()

    trained = {name: each for name, each in small.named_parameters() if each.requires_grad}
    still = {name for name, each in trained.items() if each.grad is None or not each.grad.isfinite().all()}
    by_themselves = ("refiner.", "relations.")
    assert {name for name in still if not name.startswith(by_themselves)} == set()
