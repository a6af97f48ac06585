"""Options of a recognition: the caller's over the collection's over the shipped ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from services.gateway.domain.collections import Collection
from services.gateway.domain.migration import votes_in_force
from services.kernel.vocabulary import FindOptions, Prompt, RecognitionOptions, SpaceVote

T = TypeVar("T")


def effective_options(
    asked: RecognitionOptions, collection: Collection, shipped: RecognitionOptions
) -> RecognitionOptions:
    """Return options that leave nothing open, so that a replay needs no collection to give the same."""
    measured = _calibrated(collection)
    of_collection = RecognitionOptions(
        votes=collection.votes,
        trust_threshold=collection.trust_threshold,
        unknown_threshold=collection.unknown_threshold,
        level_threshold=collection.level_threshold,
        neighbours_per_label=collection.neighbours_per_label,
    )
    settled = _over(of_collection, _over(measured, shipped))
    in_force = votes_in_force(settled.votes, collection.migrations)
    effective = _over(asked, replace(settled, votes=in_force))
    said = (
        (asked.trust_threshold, collection.trust_threshold),
        (
            asked.unknown_threshold,
            collection.unknown_threshold,
        ),
    )
    return replace(effective, calibrated_gates=_calibrated_gates(measured, *said))


def _calibrated(collection: Collection) -> RecognitionOptions:
    """Return the thresholds that were chosen on the collection itself."""
    found = collection.calibration
    if found is None:
        return RecognitionOptions()
    return RecognitionOptions(
        trust_threshold=found.trust_threshold, unknown_threshold=found.unknown_threshold
    )


def _calibrated_gates(
    measured: RecognitionOptions, trust: tuple[float | None, ...], unknown: tuple[float | None, ...]
) -> tuple[str, ...]:
    """Return the gates whose thresholds are measured ones, since nobody said another."""
    gates = (("trust", measured.trust_threshold, trust), ("unknown", measured.unknown_threshold, unknown))
    return tuple(
        name
        for name, threshold, said in gates
        if threshold is not None and all(each is None for each in said)
    )


def asks_the_same(asked: RecognitionOptions, stored: RecognitionOptions, shipped: RecognitionOptions) -> bool:
    """Whether a request fits the effective options of an earlier one.

    What the collection decides when the caller does not may have changed since: it is not compared. Nor are
    the pictures of exemplars, which the memory has by their ids.
    """
    size = shipped.size if asked.size is None else asked.size
    stored = replace(stored, prompts=without_pictures(stored.prompts))
    return _over(replace(asked, size=size), stored) == stored


def without_pictures(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Return the prompts as a caller says them: an exemplar by its id alone."""
    return tuple(prompt._replace(picture=None) for prompt in prompts)


def without_places(options: RecognitionOptions) -> RecognitionOptions:
    """Return what is left to know when the regions are found: shapes and prompts may be many and long."""
    return replace(options, shapes=(), prompts=(), find=FindOptions())


def _over(upper: RecognitionOptions, lower: RecognitionOptions) -> RecognitionOptions:
    return replace(
        upper,
        size=_first(upper.size, lower.size),
        votes=_merged(lower.votes, upper.votes),
        trust_threshold=_first(upper.trust_threshold, lower.trust_threshold),
        unknown_threshold=_first(upper.unknown_threshold, lower.unknown_threshold),
        level_threshold=_first(upper.level_threshold, lower.level_threshold),
        neighbours_per_label=_first(upper.neighbours_per_label, lower.neighbours_per_label),
        calibrated_gates=lower.calibrated_gates,
    )


def _first(upper: T | None, lower: T | None) -> T | None:
    return lower if upper is None else upper


def _merged(lower: Iterable[SpaceVote], upper: Iterable[SpaceVote]) -> tuple[SpaceVote, ...]:
    """Return one vote a space, those of `upper` in the place of those that they replace."""
    votes = {vote.space: vote for vote in lower}
    votes.update({vote.space: vote for vote in upper})
    return tuple(votes.values())
