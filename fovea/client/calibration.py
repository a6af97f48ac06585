"""Thresholds that were chosen on a collection's own exemplars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fovea.gateway.v1 import collections_pb2


@dataclass(frozen=True)
class Calibration:
    """What was chosen, and what can be said of it.

    Attributes:
        trust_threshold: Margin from which retrieval is trusted and no model asked; None: there was no model.
        unknown_threshold: Probability of *unknown* above which that is the answer.
        error_rate: Of pictures like those asked about, this share at most is wrongly called unknown.
        exemplars: That were asked about, each with itself left out.
        refused: Share of them that is called unknown.
        asked: Share of them that a model is asked about.
        accuracy: Share that is right with these thresholds, *unknown* left aside.
        retrieval_accuracy: Share that is right if retrieval is always trusted.
        ranking_accuracy: Share that is right if a model is always asked.
        reason: Why no model is to be asked, if none is.
        models: That ordered candidates.
        calibrated_at: When.
        memory_version: Of the memory that was asked.
        seed: From which the sample follows.
    """

    trust_threshold: float | None
    unknown_threshold: float
    error_rate: float
    exemplars: int
    refused: float
    asked: float
    accuracy: float
    retrieval_accuracy: float
    ranking_accuracy: float
    reason: str
    models: tuple[str, ...]
    calibrated_at: datetime
    memory_version: str
    seed: int


@dataclass(frozen=True)
class Calibrating:
    """How far a calibration is; the last has what was chosen."""

    done: int
    all: int
    calibration: Calibration | None = None


def read_calibration(message: collections_pb2.Calibration, calibrated_at: datetime) -> Calibration:
    """Read what was chosen."""
    return Calibration(
        trust_threshold=message.trust_threshold if message.HasField("trust_threshold") else None,
        unknown_threshold=message.unknown_threshold,
        error_rate=message.error_rate,
        exemplars=message.exemplars,
        refused=message.refused,
        asked=message.asked,
        accuracy=message.accuracy,
        retrieval_accuracy=message.retrieval_accuracy,
        ranking_accuracy=message.ranking_accuracy,
        reason=message.reason,
        models=tuple(message.models),
        calibrated_at=calibrated_at,
        memory_version=message.memory_version,
        seed=message.seed,
    )
