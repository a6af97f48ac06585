"""Looking for prompts in the painted picture."""

from __future__ import annotations

from collections.abc import Sequence

from services.kernel.vocabulary import (
    FindOptions,
    Prompt,
    PromptKind,
    Region,
)
from services.segmentation.usecases import Found
from tests.fakes.found import IMAGE, FakeSegmentation

NOTHING_SAID = FindOptions()


def names(*texts: str) -> list[Prompt]:
    return [Prompt(PromptKind.NAME, text) for text in texts]


def find(
    prompts: Sequence[Prompt],
    options: FindOptions = NOTHING_SAID,
    segmentation: FakeSegmentation | None = None,
) -> Found:
    return (segmentation or FakeSegmentation()).find(IMAGE, prompts, options)


def by_prompt(found: Found) -> dict[int, Region]:
    regions = {}
    for region in found.regions:
        assert region.found_by is not None
        regions[region.found_by.prompt] = region
    return regions


def scores(found: Found, prompts: Sequence[Prompt]) -> dict[str, float]:
    by = (region.found_by for region in found.regions)
    return {prompts[each.prompt].text: each.score for each in by if each is not None}
