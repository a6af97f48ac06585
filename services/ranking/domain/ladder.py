"""What is done instead when something is not to be had, best first."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.kernel.errors import (
    Corrupt,
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)


class Rung(NamedTuple):
    """One step of the ladder: its name in records and metrics, when it is taken, and what is answered."""

    name: str
    when: str
    answered: str


_MODEL_ON_FEWER: Final = "the model's order of those that it was asked about; the rest share what is left"
_RETRIEVAL: Final = "retrieval's order"

TOO_MANY_CANDIDATES: Final = Rung(
    "too_many_candidates", "there are more candidates than the model can be shown", _MODEL_ON_FEWER
)
LESS_EFFORT: Final = Rung(
    "less_effort",
    "the time that is left allows fewer orders, candidates or pictures than wanted, or a picture is gone",
    "the model's order, from as much as it could see",
)
ONE_CANDIDATE: Final = Rung("one_candidate", "there is one candidate, so nothing to order", _RETRIEVAL)
NO_PICTURES: Final = Rung(
    "no_pictures",
    "only pictures are compared, and fewer than two candidates have one, or all look nearly the same",
    _RETRIEVAL,
)
RANKER_LATE: Final = Rung(
    "ranker_late",
    "the time that is left is too short for the model, or it did not answer in time",
    _RETRIEVAL,
)
RANKER_UNAVAILABLE: Final = Rung(
    "ranker_unavailable",
    "the model, or the server that runs it, is down, overloaded, or left alone since it kept callers waiting",
    _RETRIEVAL,
)
RANKER_FAILED: Final = Rung(
    "ranker_failed",
    "the answer is no answer: not a number, of another length, no permutation, or an error of the model",
    _RETRIEVAL,
)
IMAGE_UNAVAILABLE: Final = Rung(
    "image_unavailable", "the image did not come along, is gone, or cannot be read any more", _RETRIEVAL
)
NO_REGION: Final = Rung("no_region", "the region did not come along, or lies outside the image", _RETRIEVAL)
NO_RANKER: Final = Rung("no_ranker", "no model is set to order candidates", _RETRIEVAL)

LADDER: Final = (
    TOO_MANY_CANDIDATES,
    LESS_EFFORT,
    ONE_CANDIDATE,
    NO_PICTURES,
    RANKER_LATE,
    RANKER_UNAVAILABLE,
    RANKER_FAILED,
    IMAGE_UNAVAILABLE,
    NO_REGION,
    NO_RANKER,
)
"""With the first two the status is RANKED, with the others DEGRADED."""

_BY_ERROR: Final[tuple[tuple[type[FoveaError], Rung], ...]] = (
    (DeadlineExceeded, RANKER_LATE),
    (Overloaded, RANKER_UNAVAILABLE),
    (Unavailable, RANKER_UNAVAILABLE),
)
_BY_IMAGE_ERROR: Final[tuple[tuple[type[FoveaError], Rung], ...]] = (
    (DeadlineExceeded, RANKER_LATE),
    (NotFound, IMAGE_UNAVAILABLE),
    (Corrupt, IMAGE_UNAVAILABLE),
    (InvalidInput, IMAGE_UNAVAILABLE),
    (Overloaded, IMAGE_UNAVAILABLE),
    (Unavailable, IMAGE_UNAVAILABLE),
)


def rung_of(error: Exception) -> Rung:
    """Return the rung for what a ranker raised."""
    if isinstance(error, InvalidInput) and error.reason == "REGION_INVALID":
        return NO_REGION
    if isinstance(error, NotFound) and error.reason == "NO_PICTURES":
        return NO_PICTURES
    return next((rung for kind, rung in _BY_ERROR if isinstance(error, kind)), RANKER_FAILED)


def rung_of_image(error: FoveaError) -> Rung:
    """Return the rung for what reading the image raised."""
    return next((rung for kind, rung in _BY_IMAGE_ERROR if isinstance(error, kind)), IMAGE_UNAVAILABLE)


def lower(first: Rung | None, second: Rung | None) -> Rung | None:
    """Return the rung that is further down; None is above all."""
    return max((first, second), key=lambda rung: -1 if rung is None else LADDER.index(rung))
