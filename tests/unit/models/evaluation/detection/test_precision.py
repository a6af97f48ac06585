import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.evaluation.detection.answers import Asked
from models.evaluation.detection.matching import AREAS, Matches, Shape, match
from models.evaluation.detection.precision import average_precision, curve
from tests.unit.models.evaluation.detection.cases import SIDE_PX, Edges, asked, said, truth

LEFT, RIGHT, LOW = (10.0, 10.0, 60.0, 60.0), (110.0, 10.0, 160.0, 60.0), (10.0, 110.0, 60.0, 160.0)


def ap50(matches: Matches, weights: np.ndarray | None = None) -> float:
    return average_precision(matches, np.ones(matches.scenes) if weights is None else weights, ious=[0])


def shifted(box: Edges, right: float) -> Edges:
    return box[0] + right, box[1], box[2] + right, box[3]


@pytest.mark.parametrize("shape", ["bbox", "segm"])
def test_who_finds_everything_and_nothing_else_is_perfect(shape: Shape) -> None:
    scene = asked(["star", "tree"], [truth(LEFT, 0), truth(LOW, 1)], said((0, 0.9, LEFT), (1, 0.8, LOW)))

    found = match([scene], shape)

    assert average_precision(found, np.ones(1)) == pytest.approx(1)
    assert found.truths() == 2


def test_who_says_nothing_has_nothing() -> None:
    assert ap50(match([asked(["star"], [truth(LEFT, 0)], said())], "bbox")) == 0


def test_of_nothing_at_all_precision_is_no_number() -> None:
    assert math.isnan(ap50(match([asked(["star"], [], said())], "segm")))


def test_where_nothing_is_there_precision_is_no_number() -> None:
    assert math.isnan(ap50(match([asked(["star"], [], said((0, 0.9, LEFT)))], "bbox")))


def test_a_shifted_box_counts_up_to_its_iou() -> None:
    moved = shifted(LEFT, 10)  # 40 of 60 columns: IoU 2/3, which four of ten thresholds allow
    scene = asked(["star"], [truth(LEFT, 0)], said((0, 0.9, moved)))

    found = match([scene], "bbox")

    assert ap50(found) == pytest.approx(1)
    assert average_precision(found, np.ones(1)) == pytest.approx(4 / 10)


def test_precision_of_one_alarm_above_one_of_two_hits_is_known_by_hand() -> None:
    answers = said((0, 0.9, LEFT), (0, 0.8, LOW), (0, 0.7, RIGHT))
    scene = asked(["star"], [truth(LEFT, 0), truth(RIGHT, 0)], answers)

    # 51 recalls up to a half at precision 1, the other 50 at 2/3
    assert ap50(match([scene], "bbox")) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_second_box_on_one_thing_is_an_alarm() -> None:
    double = said((0, 0.9, LEFT), (0, 0.8, shifted(LEFT, 2)), (0, 0.7, RIGHT))
    scene = asked(["star"], [truth(LEFT, 0), truth(RIGHT, 0)], double)

    assert ap50(match([scene], "bbox")) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_an_alarm_for_an_absent_prompt_costs_the_name_not_the_scene_that_has_no_such_prompt() -> None:
    first = asked(["star", "tree"], [truth(LEFT, 0), truth(LOW, 1)], said((0, 0.6, LEFT), (1, 0.6, LOW)))
    alarm = asked(["star"], [], said((0, 0.9, LEFT)))

    found = match([first, alarm], "bbox")

    assert ap50(found) == pytest.approx((1 / 2 + 1) / 2)  # star: one alarm above one hit; tree: perfect
    assert ap50(found.pooled()) == pytest.approx(2 / 3)  # the alarm stands above both hits


def test_what_lies_in_a_crowd_is_neither_hit_nor_alarm() -> None:
    crowd = truth((100.0, 0.0, 200.0, 100.0), 0, crowd=True)
    answers = said((0, 0.9, RIGHT), (0, 0.8, LEFT))
    scene = asked(["star"], [truth(LEFT, 0), crowd], answers)

    found = match([scene], "bbox")

    assert ap50(found) == pytest.approx(1)
    assert found.truths() == 1


def test_sizes_are_judged_apart() -> None:
    small, large = (0.0, 0.0, 20.0, 20.0), (50.0, 50.0, 170.0, 170.0)
    scene = asked(["star"], [truth(small, 0), truth(large, 0)], said((0, 0.9, large)))

    found = match([scene], "segm")

    by_size = [average_precision(found, np.ones(1), area=area) for area in AREAS]
    assert by_size[1] == 0
    assert math.isnan(by_size[2])
    assert by_size[3] == pytest.approx(1)
    assert [found.truths(area) for area in AREAS] == [2, 1, 0, 1]


def test_what_is_not_verified_is_not_judged() -> None:
    answers = said((0, 0.9, LEFT), (1, 0.99, LOW))
    scene = asked(["star", "tree"], [truth(LEFT, 0)], answers, verified=frozenset({0}))

    assert ap50(match([scene], "bbox").pooled()) == pytest.approx(1)


def test_a_scene_that_counts_twice_weighs_as_two() -> None:
    good = asked(["star"], [truth(LEFT, 0)], said((0, 0.9, LEFT)))
    bad = asked(["star"], [truth(LEFT, 0)], said())

    found = match([good, bad], "bbox")
    twice = match([good, bad, bad], "bbox")

    assert ap50(found, np.array([1.0, 2.0])) == pytest.approx(ap50(twice))
    assert ap50(found, np.array([1.0, 0.0])) == pytest.approx(1)
    assert math.isnan(ap50(found, np.zeros(2)))


@pytest.mark.parametrize("shape", ["bbox", "segm"])
@pytest.mark.parametrize("area", AREAS)
def test_the_average_is_that_of_pycocotools(shape: Shape, area: str) -> None:
    scenes = [drawn(seed) for seed in range(30)]

    found = match(scenes, shape)

    expected = judged_by_coco(scenes, shape)[AREAS.index(area)]
    assert average_precision(found, np.ones(30), area=area) == pytest.approx(expected, abs=1e-12)


def test_a_curve_falls_from_left_to_right() -> None:
    recall, precision = curve(match([drawn(seed) for seed in range(5)], "bbox"))

    assert (np.diff(recall) >= 0).all()
    assert (np.diff(precision) <= 0).all()


def drawn(seed: int) -> Asked:
    """Return a scene of things in many sizes, found with faults."""
    rng = np.random.default_rng(seed)
    names = [f"name {number}" for number in rng.choice(9, 4, replace=False)]
    boxes = [edges(rng) for _ in range(6)]
    truths = [truth(box, int(rng.integers(3)), crowd=rng.random() < 0.1) for box in boxes]
    found = [
        (
            int(rng.integers(4)) if rng.random() < 0.3 else min(each.answers),
            float(rng.random()),
            jitter(rng, each.box),
        )
        for each in truths
        for _ in range(3)
    ]
    return asked(names, truths, said(*found))


def edges(rng: np.random.Generator) -> Edges:
    side = float(np.exp(rng.uniform(np.log(10), np.log(150))))
    left, top = rng.uniform(0, SIDE_PX - side, 2).tolist()
    corners = np.round([left, top, left + side, top + side]).tolist()
    return corners[0], corners[1], corners[2], corners[3]


def jitter(rng: np.random.Generator, box: Edges) -> Edges:
    reach = 0.1 * (box[2] - box[0])
    left, top, right, bottom = np.clip(np.array(box) + rng.uniform(-reach, reach, 4), 0, SIDE_PX).tolist()
    return left, top, max(right, left + 1), max(bottom, top + 1)


def judged_by_coco(scenes: list[Asked], shape: Shape) -> list[float]:
    """Return AP of each size, with the names as categories, by nothing but pycocotools."""
    names = sorted({prompt.text for scene in scenes for prompt in scene.prompts})
    truths, found = [], []
    for number, scene in enumerate(scenes):
        for each in scene.truths:
            truths += [
                annotation(number, 1 + names.index(scene.prompts[prompt].text), each.box, each.mask)
                | {"area": each.area_px, "iscrowd": int(each.crowd)}
                for prompt in each.answers
            ]
        answers = scene.answers
        for prompt, score, box, mask in zip(
            answers.prompts, answers.scores, answers.boxes.tolist(), answers.mask, strict=True
        ):
            name = 1 + names.index(scene.prompts[prompt].text)
            found.append(annotation(number, name, box, answers.masks[mask]) | {"score": float(score)})
    for number, one in enumerate(truths, start=1):
        one["id"] = number
    known = COCO()
    known.dataset = {
        "images": [{"id": number, "width": SIDE_PX, "height": SIDE_PX} for number in range(len(scenes))],
        "categories": [{"id": 1 + number} for number in range(len(names))],
        "annotations": truths,
    }
    known.createIndex()
    for one in found:
        del one["bbox" if shape == "segm" else "segmentation"]
    evaluation = COCOeval(known, known.loadRes(found), shape)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, :, -1]  # (iou, recall, name, area)
    return [float(part[part > -1].mean()) for part in np.moveaxis(precision, 3, 0)]


def annotation(scene: int, name: int, box: Edges | list[float], mask: bytes) -> dict[str, object]:
    left, top, right, bottom = box
    return {
        "image_id": scene,
        "category_id": name,
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": {"size": [SIDE_PX, SIDE_PX], "counts": mask},
    }
