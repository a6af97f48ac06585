from __future__ import annotations

import pytest

from models.segmentation.prepared import views
from models.vision.tiles import WHOLE, Grid
from services.kernel.vocabulary import ImageReference, Prompt, PromptKind
from services.segmentation.domain.finding import (
    FUSED_AT_ONCE,
    Hit,
    Plan,
    Tiling,
    best_first,
    distinct,
    planned,
    thresholds,
    whole_ones,
)

TOGETHER = frozenset({PromptKind.PHRASE, PromptKind.SENTENCE})
VIEWS = views(900, 300, Grid(3, 1))


def image(width_px: int, height_px: int) -> ImageReference:
    return ImageReference("00" * 32, "t/c/images/00", "image/png", 100, width_px, height_px)


def hit(box: tuple[float, float, float, float], *, score: float = 0.9, prompt: int = 0, view: int = 0) -> Hit:
    return Hit(score, prompt, 0, view, 0, box)


def test_phrases_and_sentences_are_read_together_and_all_else_apart_from_the_image() -> None:
    kinds = (PromptKind.PHRASE, PromptKind.NAME, PromptKind.SENTENCE, PromptKind.EXEMPLAR)

    assert planned([Prompt(kind, "x") for kind in kinds], TOGETHER) == Plan((1, 3), ((0, 2),))


@pytest.mark.parametrize(
    ("count", "groups"), [(0, []), (1, [1]), (FUSED_AT_ONCE, [128]), (FUSED_AT_ONCE + 1, [128, 1])]
)
def test_no_group_is_empty_or_too_large(count: int, groups: list[int]) -> None:
    found = planned([Prompt(PromptKind.PHRASE, str(number)) for number in range(count)], TOGETHER)

    assert [len(group) for group in found.fused] == groups
    assert found.independent == ()


def test_a_threshold_that_is_asked_for_holds_for_every_kind() -> None:
    prompts = [Prompt(PromptKind.NAME, "a"), Prompt(PromptKind.SENTENCE, "b")]
    calibrated = {PromptKind.NAME: 0.2, PromptKind.SENTENCE: 0.6}

    assert thresholds(prompts, calibrated, asked=None).tolist() == [0.2, 0.6]
    assert thresholds(prompts, calibrated, asked=0.0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("size", "tiles", "grid"),
    [
        ((1599, 900), None, WHOLE),
        ((1600, 900), None, Grid(3, 2)),
        ((4000, 400), None, Grid(6, 1)),
        ((500, 500), True, Grid(2, 2)),
        ((5000, 5000), False, WHOLE),
    ],
)
def test_large_images_have_tiles_unless_the_caller_says_otherwise(
    size: tuple[int, int],
    tiles: bool | None,  # noqa: FBT001  (a case)
    grid: Grid,
) -> None:
    assert Tiling(1600, 6).grid(image(*size), tiles=tiles, side_px=384) == grid


def test_without_tiles_to_choose_from_there_are_none() -> None:
    assert Tiling(1, 0).grid(image(5000, 5000), tiles=True, side_px=384) == WHOLE


def test_what_a_tile_cut_off_goes_where_another_view_shows_more_of_it() -> None:
    whole = hit((200, 50, 500, 250), score=0.6)
    piece = hit((200, 50, VIEWS[1].window.right - 1, 250), view=1)

    assert whole_ones([piece, whole], VIEWS) == [whole]


def test_what_a_tile_cut_off_stays_where_nothing_shows_more_of_it() -> None:
    piece = hit((200, 50, VIEWS[1].window.right - 1, 250), view=1)

    assert whole_ones([piece], VIEWS) == [piece]
    assert whole_ones([piece, hit((600, 50, 800, 250))], VIEWS) == [piece, hit((600, 50, 800, 250))]


def test_a_small_thing_before_a_large_one_is_no_piece_of_it() -> None:
    small, large = hit((60, 60, 90, 90), view=1), hit((20, 20, 700, 280))

    assert whole_ones([small, large], VIEWS) == [small, large]


def test_a_piece_of_what_another_prompt_found_stays() -> None:
    whole = hit((200, 50, 500, 250), prompt=1)
    piece = hit((200, 50, VIEWS[1].window.right - 1, 250), view=1)

    assert whole_ones([piece, whole], VIEWS) == [piece, whole]


def test_of_two_that_overlap_the_better_stays_whatever_prompts_they_answer() -> None:
    best, double, other = hit((0, 0, 10, 10)), hit((0, 0, 10, 9), prompt=1), hit((50, 0, 60, 10), prompt=1)

    assert distinct([best, double, other], 0.5) == [best, other]
    assert distinct([best, double, other], 0.95) == [best, double, other]
    assert distinct([], 0.5) == []


def test_the_best_comes_first_and_of_equals_the_earlier_prompt() -> None:
    hits = [hit((0, 0, 1, 1), score=0.5, prompt=2), hit((0, 0, 1, 1), score=0.5), hit((0, 0, 1, 1))]

    assert best_first(hits) == [hits[2], hits[1], hits[0]]
