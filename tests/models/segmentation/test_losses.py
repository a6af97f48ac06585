"""What counts in training, and what does not."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from models.segmentation.alignment.network import score
from models.segmentation.assignment.losses import NONE, assign, iou
from models.segmentation.crowds.losses import Crowds
from models.segmentation.losses import Supervision, Target, Weights, criterion
from models.segmentation.masking.network import mask_logits
from models.segmentation.measures.losses import around, dice, direction, distance, focal, giou, pixelwise
from models.segmentation.network import Detector, Found, Layer
from models.segmentation.proposals.network import Proposals

QUERIES, CELLS, SIDE, TEXTS, MASKS, CHANNELS = 12, 40, 8, 16, 4, 6


def _boxes(*shape: int) -> Tensor:
    low = torch.rand(*shape, 2) * 0.7
    return torch.cat((low, low + 0.05 + torch.rand(*shape, 2) * 0.25), -1)


def _found(batch: int = 2, layers: int = 3) -> Found:
    """What a detector might find, each tensor a leaf that gradients are read from."""

    def free(*shape: int) -> Tensor:
        return torch.randn(*shape).requires_grad_()

    return Found(
        Proposals(_boxes(CELLS), _boxes(batch, CELLS).requires_grad_(), free(batch, CELLS)),
        tuple(
            Layer(_boxes(batch, QUERIES).requires_grad_(), free(batch, QUERIES, TEXTS), free(batch, QUERIES))
            for _ in range(layers)
        ),
        free(batch, QUERIES),
        free(batch, QUERIES, MASKS),
        free(batch, MASKS, SIDE, SIDE),
        free(batch, 1, TEXTS),
        torch.zeros(batch, QUERIES, CHANNELS),  # no loss reads these two
        torch.zeros(batch, QUERIES, 1),
    )


def _target(things: int = 3, prompts: int = 6) -> Target:
    """Things of which each answers a prompt of its own, and prompts that nothing answers."""
    answers = torch.zeros(things, prompts, dtype=torch.bool)
    answers[torch.arange(things), torch.arange(things)] = True
    return Target(_boxes(things), (torch.rand(things, SIDE, SIDE) > 0.5).float(), answers)


def _texts(batch: int = 2, prompts: int = 6) -> Tensor:
    return torch.randn(prompts, TEXTS).expand(batch, -1, -1).clone().requires_grad_()


def _total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def _moved(*leaves: Tensor) -> bool:
    """Whether any gradient reached them."""
    return any(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves)


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
    found, targets, texts = _found(), [_target(3), _target(2)], _texts()
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
    assert set(criterion(_found(layers=2), [_target(), _target()], _texts())) == {
        *(f"{term}_{of}" for term in ("words", "boxes", "overlap") for of in ("0", "1", "proposals")),
        *("masks", "dice", "teacher"),
    }


def test_a_weight_of_nothing_leaves_nothing_of_its_term() -> None:
    nothing = Weights(words=0.0, boxes=0.0, overlap=0.0, masks=0.0, dice=0.0, teacher=0.0)

    assert _total(criterion(_found(), [_target(), _target()], _texts(), nothing)).item() == 0


def test_what_is_not_verified_is_never_punished() -> None:
    found, texts = _found(), _texts()
    verified = torch.tensor([True, True, True, True, False, False])
    targets = [replace(_target(), verified=verified)] * 2

    _total(criterion(found, targets, texts)).backward()

    assert texts.grad is not None
    assert texts.grad.abs().sum((0, 2)).bool().tolist() == [True, True, True, True, False, False]


def test_what_one_picture_verified_counts_in_that_picture_alone() -> None:
    found, texts = _found(), _texts()
    verified = torch.tensor([True, True, True, False, False, False])

    _total(criterion(found, [_target(), replace(_target(), verified=verified)], texts)).backward()

    assert texts.grad is not None
    assert texts.grad.abs().sum(2).bool().tolist() == [[True] * 6, [True] * 3 + [False] * 3]


def test_what_is_there_counts_although_nobody_verified_it() -> None:
    found, texts = _found(), _texts()
    nobody = torch.zeros(6, dtype=torch.bool)

    _total(criterion(found, [replace(_target(), verified=nobody)] * 2, texts)).backward()

    assert texts.grad is not None
    assert texts.grad.abs().sum((0, 2)).bool().tolist() == [True] * 3 + [False] * 3


def test_of_a_federated_sets_absent_names_fifty_are_drawn_and_only_verified_ones() -> None:
    found, texts = _found(), _texts(prompts=203)
    verified = torch.ones(203, dtype=torch.bool)
    verified[100:150] = False
    targets = [replace(_target(prompts=203), verified=verified, federated=True)] * 2

    _total(criterion(found, targets, texts)).backward()

    assert texts.grad is not None
    counted = texts.grad.abs().sum((0, 2)).bool()
    assert counted[:3].all()
    assert int(counted[3:].sum()) == 50
    assert not counted[100:150].any()


def test_another_batch_draws_other_absent_names() -> None:
    def counted() -> Tensor:
        found, texts = _found(), _texts(prompts=203)
        _total(criterion(found, [replace(_target(prompts=203), federated=True)] * 2, texts)).backward()
        assert texts.grad is not None
        return texts.grad.abs().sum((0, 2)).bool()

    assert not torch.equal(counted(), counted())


def test_a_weak_picture_moves_neither_boxes_nor_masks_nor_proposals() -> None:
    found, texts = _found(), _texts()
    weak = replace(_target(), supervision=Supervision.WEAK)

    terms = criterion(found, [weak, weak], texts)
    _total(terms).backward()

    places = [layer.boxes for layer in found.layers]
    assert not _moved(*places, found.mask_queries, found.mask_features)
    assert not _moved(found.proposals.boxes, found.proposals.logits)
    assert _moved(found.layers[0].queries, found.layers[2].offsets)
    assert all(terms[name].item() == 0 for name in terms if name not in {"words_0", "words_1", "words_2"})


def test_a_picture_without_words_teaches_boxes_masks_and_that_there_is_something() -> None:
    found, texts = _found(), _texts()
    agnostic = replace(_target(), supervision=Supervision.AGNOSTIC)

    _total(criterion(found, [agnostic, agnostic], texts)).backward()

    assert not _moved(texts, *(layer.queries for layer in found.layers))
    assert _moved(found.proposals.logits)
    assert _moved(found.layers[0].boxes)
    assert _moved(found.mask_queries)


def test_where_only_what_was_spoken_of_is_boxed_nobody_says_that_there_is_nothing_else() -> None:
    found, texts = _found(), _texts()
    referring = replace(_target(), supervision=Supervision.REFERRING)

    _total(criterion(found, [referring, referring], texts)).backward()

    assert not _moved(found.proposals.logits)
    assert _moved(found.proposals.boxes)
    assert _moved(texts)
    assert _moved(found.mask_features)


def test_a_weak_picture_changes_nothing_for_the_boxes_of_others() -> None:
    found, texts = _found(), _texts()
    full, other = _target(), _target()

    together = criterion(found, [full, replace(other, supervision=Supervision.WEAK)], texts)
    alone = criterion(
        found, [full, Target(torch.zeros(0, 4), torch.zeros(0, SIDE, SIDE), other.answers[:0])], texts
    )

    for name in ("boxes_0", "overlap_2", "masks", "dice", "boxes_proposals"):
        assert together[name].item() == pytest.approx(alone[name].item(), rel=1e-5)


def test_a_picture_without_words_does_not_dilute_the_words_of_others() -> None:
    found, texts = _found(), _texts()
    full, silent = _target(), replace(_target(), supervision=Supervision.AGNOSTIC)
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, SIDE, SIDE), silent.answers[:0])

    beside = criterion(found, [full, silent], texts)
    alone = criterion(found, [full, replace(nothing, supervision=Supervision.AGNOSTIC)], texts)

    assert beside["words_0"].item() == pytest.approx(alone["words_0"].item())


def test_a_picture_without_things_teaches_that_nothing_is_there() -> None:
    found, texts = _found(), _texts()
    empty = Target(torch.zeros(0, 4), torch.zeros(0, SIDE, SIDE), torch.zeros(0, 6, dtype=torch.bool))

    terms = criterion(found, [empty, empty], texts)
    _total(terms).backward()

    assert all(bool(value.isfinite()) for value in terms.values())
    assert {name for name, value in terms.items() if value.item() > 0} == {
        *(f"words_{number}" for number in range(3)),
        "words_proposals",
    }
    for layer in found.layers:
        assert layer.offsets.grad is not None
        assert (layer.offsets.grad > 0).all()  # what is to be small falls with every score


def test_a_box_near_a_thing_that_others_learn_is_not_told_that_it_is_wrong() -> None:
    found, target = _found(batch=1, layers=1), _target(1, prompts=2)
    crowd = target.boxes.expand(1, QUERIES, 4).clone().requires_grad_()
    found = replace(found, layers=(replace(found.layers[0], boxes=crowd),))
    texts = torch.eye(2, TEXTS)[None]  # a prompt that is true of the thing, and one that is not

    criterion(found, [target], texts)["words_0"].backward()

    assert found.layers[0].queries.grad is not None
    told = found.layers[0].queries.grad[0, :, :2] != 0
    assert told.sum(0).tolist() == [4, QUERIES]


def test_a_box_in_a_crowd_is_neither_right_nor_wrong() -> None:
    found, target = _found(batch=1, layers=1), _target(1, prompts=2)
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
    found, target = _found(batch=1, layers=1), _target(1, prompts=2)
    texts = torch.eye(2, TEXTS)[None]
    around_it = Crowds(target.boxes, torch.tensor([[True, True]]))
    with torch.no_grad():
        found.layers[0].boxes[0, 3] = target.boxes[0]

    criterion(found, [replace(target, crowds=around_it)], texts)["words_0"].backward()

    assert found.layers[0].queries.grad is not None
    assert found.layers[0].queries.grad[0, 3, :2].tolist()[1] == 0
    assert found.layers[0].queries.grad[0, 3, 0] < 0  # more of what it shows


def test_regions_turn_to_where_their_teacher_points() -> None:
    found, texts = _found(), _texts()
    given = torch.nn.functional.normalize(torch.randn(3, TEXTS), dim=-1)
    given[1] = 0
    targets = [replace(_target(), teachers=given), _target()]

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
        _found(1, layers=1),
        [replace(_target(), teachers=torch.randn(3, TEXTS))],
        _texts(1),
    )
    (last,) = found.layers
    places = [found.proposals.boxes, last.boxes]
    others = [found.proposals.logits, last.queries, found.mask_queries, found.mask_features]
    before = criterion(found, targets, texts)

    for _ in range(20):
        gradients = torch.autograd.grad(_total(criterion(found, targets, texts)), places + others)
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
            _boxes(3),
            (torch.rand(3, side, side) > 0.5).float(),
            torch.eye(3, 5, dtype=torch.bool),
            teachers=torch.randn(3, sizes.texts),
        )
        for _ in range(2)
    ]
    images = torch.randint(0, 255, (2, sizes.side_px, sizes.side_px, 3), dtype=torch.uint8)

    found = small.train()(images, torch.randn(2, 2, sizes.texts))
    texts = torch.cat((found.texts, torch.randn(2, 3, sizes.texts)), 1)
    _total(criterion(found, targets, texts)).backward()

    trained = {name: each for name, each in small.named_parameters() if each.requires_grad}
    still = {name for name, each in trained.items() if each.grad is None or not each.grad.isfinite().all()}
    by_themselves = ("refiner.", "relations.")
    assert {name for name in still if not name.startswith(by_themselves)} == set()
