"""Calibrations."""

from __future__ import annotations

from fovea.gateway.v1 import collections_pb2 as pb
from services.gateway.domain.calibration import ERROR_RATE, EXEMPLARS, Calibration, Wish
from services.runtime.codec.recognition import read_time, write_time


def read_wish(message: pb.CalibrateCollectionRequest) -> Wish:
    """Read what is to be chosen."""
    return Wish(
        error_rate=message.error_rate if message.HasField("error_rate") else ERROR_RATE,
        exemplars=message.exemplars or EXEMPLARS,
        seed=message.seed,
        dry_run=message.dry_run,
    )


def read_calibration(message: pb.Calibration) -> Calibration:
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
        calibrated_at_s=read_time(message.calibrated_at),
        memory_version=message.memory_version,
        seed=message.seed,
    )


def write_calibration(found: Calibration) -> pb.Calibration:
    """Write what was chosen."""
    said = vars(found) | {"calibrated_at": write_time(found.calibrated_at_s)}
    del said["calibrated_at_s"]
    return pb.Calibration(**said)
