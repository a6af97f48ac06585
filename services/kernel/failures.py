"""Why one thing did not work, where an error would end more than that one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """Why one thing did not work; `status` is the name of a gRPC status."""

    status: str
    reason: str
    message: str
    field: str = ""
    retry_after_s: float = 0.0
