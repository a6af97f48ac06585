"""What each pixel shows, and which thing it is part of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.segmentation.maps import (
    NOTHING,
    Kept,
    SemanticRules,
    panoptic,
    semantic,
    shares,
)
from models.segmentation.outputs import reached, select
from models.segmentation.pixels import mask, mask_logits, reach
from models.segmentation.prepared import Square, whole
from models.vision.boxes import Box

SURE = 20.0
SIDE = 100


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def _array(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def _kept(logits: np.ndarray, masks: np.ndarray, square: Square) -> Kept:
    """Queries whose boxes are all that their square shows."""
    window = square.window
    box = np.array([window.left, window.top, window.right, window.bottom], dtype=np.float64)
    return Kept(logits, masks, np.tile(box, (len(logits), 1)), (square,) * len(logits))


def _drawn(logits: np.ndarray, *boxes: Box) -> Kept:
    """Queries with rectangles as masks, a cell being a pixel."""
    masks = np.full((len(boxes), SIDE, SIDE), -SURE, dtype=np.float32)
    for place, box in enumerate(boxes):
        masks[place, box.rows, box.columns] = SURE
    return _kept(logits, masks, whole(SIDE, SIDE, side_px=SIDE))


def test_at_a_temperature_of_006_a_query_is_all_but_wholly_its_best_prompt() -> None:
    assert shares(_array([2, -1]), temperature=0.06)[0] == pytest.approx([0.99996, 0.00004], abs=5e-6)


def test_at_a_high_temperature_all_prompts_have_the_same_share() -> None:
    assert shares(_array([2, -1, 9], [0, 0, -9]), temperature=1e9) == pytest.approx(1 / 3, abs=1e-6)


def test_two_queries_two_prompts_and_four_pixels_as_worked_by_hand() -> None:
    masks = np.array(
        [
            [[_logit(0.9), _logit(0.9)], [_logit(0.1), _logit(0.40)]],
            [[_logit(0.2), _logit(0.8)], [_logit(0.52), _logit(0.45)]],
        ],
        dtype=np.float32,
    )
    kept = _kept(_array([2, -1], [-1, 2]), masks, whole(2, 2, side_px=2))

    found = semantic(kept, width_px=2, height_px=2, rules=SemanticRules(least=0.0))
    certain = semantic(kept, width_px=2, height_px=2)

    # evidence for the first prompt: 0.99996 * own + 0.00004 * other
    assert found.tolist() == [[0, 0], [1, 1]]
    assert certain.tolist() == [[0, 0], [1, NOTHING]]


def test_with_equal_weights_a_pixel_shows_the_first_prompt() -> None:
    masks = np.full((2, 2, 2), SURE, dtype=np.float32)
    kept = _kept(_array([2, -1], [-1, 2]), masks, whole(2, 2, side_px=2))

    rules = SemanticRules(temperature=1e9, least=0.0)

    assert semantic(kept, width_px=2, height_px=2, rules=rules).tolist() == [[0, 0], [0, 0]]


def test_two_doubtful_masks_of_one_prompt_outdo_a_likelier_one_of_another() -> None:
    masks = np.array([[[_logit(each)]] for each in (0.7, 0.4, 0.4)], dtype=np.float32)
    kept = _kept(_array([3, -3], [-3, 3], [-3, 3]), masks, whole(1, 1, side_px=1))

    assert semantic(kept, width_px=1, height_px=1).tolist() == [[1]]


def test_where_no_mask_is_the_map_shows_nothing() -> None:
    kept = _drawn(_array([2, -2]), Box(10, 10, 30, 30))

    found = semantic(kept, width_px=SIDE, height_px=SIDE)

    assert (found == 0).sum() == 400
    assert (found == NOTHING).sum() == SIDE * SIDE - 400


def test_a_map_larger_than_a_band_is_the_small_one_enlarged() -> None:
    small = _drawn(_array([2, -2], [-2, 2]), Box(0, 0, 50, 100), Box(50, 0, 100, 100))
    square = whole(800, 800, side_px=SIDE)
    large = replace(small, boxes=small.boxes * 8, squares=(square, square))

    found = semantic(large, width_px=800, height_px=800)
    segments = panoptic(large, np.zeros(2, dtype=np.bool_), width_px=800, height_px=800).segments

    assert (found[:, :400] == 0).all()
    assert (found[:, 400:] == 1).all()
    assert [each.area_px for each in segments] == [800 * 400, 800 * 400]


def test_what_two_squares_found_comes_together_on_one_map() -> None:
    left, right = Square(Box(0, 0, 4, 4), 4, 4, 4), Square(Box(4, 0, 8, 4), 4, 4, 4)
    kept = Kept(
        _array([2, -2], [-2, 2]),
        np.full((2, 4, 4), SURE, dtype=np.float32),
        np.array([[0, 0, 4, 4], [4, 0, 8, 4]], dtype=np.float64),
        (left, right),
    )

    found = semantic(kept, width_px=8, height_px=4)
    things = panoptic(kept, np.zeros(2, dtype=np.bool_), width_px=8, height_px=4)

    assert (found[:, :4] == 0).all()
    assert (found[:, 4:] == 1).all()
    assert (things.ids[:, :4] == 1).all()
    assert (things.ids[:, 4:] == 2).all()


def test_where_two_squares_show_the_same_their_evidence_adds_up() -> None:
    left, right = Square(Box(0, 0, 4, 4), 4, 4, 4), Square(Box(2, 0, 6, 4), 4, 4, 4)
    kept = Kept(
        _array([4], [4]),
        np.full((2, 4, 4), _logit(0.3), dtype=np.float32),
        np.array([[0, 0, 4, 4], [2, 0, 6, 4]], dtype=np.float64),
        (left, right),
    )

    found = semantic(kept, width_px=6, height_px=4)

    assert found[0].tolist() == [NOTHING, NOTHING, 0, 0, NOTHING, NOTHING]


def test_a_mask_does_not_reach_far_beyond_its_box() -> None:
    everywhere = np.full((1, SIDE, SIDE), SURE, dtype=np.float32)
    square = whole(SIDE, SIDE, side_px=SIDE)
    kept = Kept(_array([2]), everywhere, np.array([[40.0, 40.0, 60.0, 60.0]]), (square,))

    found = semantic(kept, width_px=SIDE, height_px=SIDE)
    things = panoptic(kept, np.zeros(1, dtype=np.bool_), width_px=SIDE, height_px=SIDE)

    assert (found[37:63, 37:63] == 0).all()
    assert (found == 0).sum() == 26 * 26
    assert things.segments[0].area_px == 26 * 26


@pytest.mark.parametrize(("hidden", "prompts"), [(61, [0]), (59, [0, 1])])
def test_what_keeps_less_than_four_tenths_of_its_mask_is_left_out(hidden: int, prompts: list[int]) -> None:
    kept = _drawn(_array([4, -4], [-4, 2]), Box(0, 0, hidden, 10), Box(0, 0, 100, 10))

    found = panoptic(kept, np.zeros(2, dtype=np.bool_), width_px=SIDE, height_px=SIDE)

    assert [each.prompt for each in found.segments] == prompts
    assert (found.ids[:10, :hidden] == 1).all()
    assert (found.ids[:10, hidden:] == (2 if len(prompts) == 2 else 0)).all()


def test_stuff_of_one_prompt_is_one_segment_and_things_are_not() -> None:
    boxes = (Box(0, 0, 10, 10), Box(20, 0, 30, 10), Box(40, 0, 50, 10), Box(60, 0, 70, 10))
    kept = _drawn(_array([2, -9], [3, -9], [-9, 2], [-9, 1]), *boxes)

    found = panoptic(kept, np.array([True, False]), width_px=SIDE, height_px=SIDE)

    assert [(each.id, each.prompt, each.area_px, each.stuff) for each in found.segments] == [
        (1, 0, 200, True),
        (2, 1, 100, False),
        (3, 1, 100, False),
    ]
    assert [each.score for each in found.segments] == pytest.approx([0.952574, 0.880797, 0.731059], abs=1e-6)
    assert [found.ids[5, left] for left in (5, 25, 45, 65)] == [1, 1, 2, 3]


def test_a_query_with_a_score_of_a_hundredth_is_no_segment() -> None:
    rows = _array([_logit(0.0099)], [_logit(0.0101)])
    kept = _drawn(rows, Box(0, 0, 10, 10), Box(50, 50, 60, 60))

    found = panoptic(kept, np.zeros(1, dtype=np.bool_), width_px=SIDE, height_px=SIDE)

    assert [each.area_px for each in found.segments] == [100]


@pytest.mark.parametrize(("probability", "there"), [(0.09, False), (0.11, True)])
def test_a_pixel_that_its_own_mask_hardly_has_is_nobodys(probability: float, *, there: bool) -> None:
    kept = _drawn(_array([4]), Box(0, 0, 10, 10))
    kept.masks[0, 20:30, 0:10] = _logit(probability)

    found = panoptic(kept, np.zeros(1, dtype=np.bool_), width_px=SIDE, height_px=SIDE)

    assert (found.ids[20:30, 0:10] == 1).all() == there


def test_nothing_kept_makes_empty_maps() -> None:
    square = whole(8, 8, side_px=8)
    kept = _kept(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 4, 4), dtype=np.float32), square)

    assert (semantic(kept, width_px=8, height_px=8) == NOTHING).all()
    assert panoptic(kept, np.zeros(3, dtype=np.bool_), width_px=8, height_px=8).segments == ()


def test_more_prompts_than_a_map_can_number_are_refused() -> None:
    with pytest.raises(ValueError, match="32767"):
        _kept(np.zeros((1, 40_000), dtype=np.float32), np.zeros((1, 4, 4), dtype=np.float32), whole(8, 8))


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(1, 5))
def test_each_pixel_is_part_of_one_segment_at_the_most(seed: int, queries: int, prompts: int) -> None:
    rng = np.random.default_rng(seed)
    square = whole(23, 17, side_px=16)
    low = rng.uniform(0, 15, (queries, 2))
    kept = Kept(
        rng.normal(0, 3, (queries, prompts)).astype(np.float32),
        rng.normal(0, 3, (queries, 8, 8)).astype(np.float32),
        np.concatenate((low, low + rng.uniform(1, 15, (queries, 2))), axis=1),
        (square,) * queries,
    )
    stuff = rng.random(prompts) < 0.5

    found = panoptic(kept, stuff, width_px=23, height_px=17)

    assert found.ids.shape == (17, 23)
    assert [each.id for each in found.segments] == list(range(1, len(found.segments) + 1))
    assert set(np.unique(found.ids).tolist()) - {0} == {each.id for each in found.segments}
    assert [each.area_px for each in found.segments] == np.bincount(
        found.ids.ravel(), minlength=len(found.segments) + 1
    )[1:].tolist()
    merged = [each.prompt for each in found.segments if each.stuff]
    assert len(merged) == len(set(merged))
    assert all(stuff[each.prompt] == each.stuff for each in found.segments)


def test_instances_semantic_and_panoptic_maps_come_from_one_pass() -> None:
    square = whole(80, 40, side_px=64)  # a wide picture, the lower half of its square is padding
    features = np.zeros((2, 64, 64), dtype=np.float32)
    features[0, :16, :], features[1, 16:32, :] = 1, 1
    queries = _array([SURE, -SURE], [-SURE, SURE])
    boxes = np.array([[0, 0, 1, 0.25], [0, 0.25, 1, 0.5], [0, 0.6, 1, 0.9]])
    logits = _array([3, -3], [-3, 3], [3, 3])  # the third lies in the padding
    thresholds = np.array([0.5, 0.5])

    placed = square.to_image(boxes)
    found = select(placed, [logits], thresholds)
    masks = mask_logits(queries, features)
    window = reach(placed[0], square, 64)
    kept = Kept(reached(logits[:2], thresholds), masks, placed[:2], (square, square))

    assert found.queries.tolist() == [0, 1]
    assert mask(masks[0], square, window).sum() == 80 * 20
    assert semantic(kept, width_px=80, height_px=40)[[0, 39], 0].tolist() == [0, 1]
    stuff = np.array([False, True])
    assert [each.area_px for each in panoptic(kept, stuff, width_px=80, height_px=40).segments] == [
        1600,
        1600,
    ]
