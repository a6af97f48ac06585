"""What keeps the memory: segments on the own disk, or a Milvus that all replicas share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.retrieval.adapters.log_memory import Views, Wait
from services.runtime.assembly import Background, Check


@dataclass(frozen=True)
class Engine:
    """A memory that follows the log.

    Args:
        views: Gives the collections as they stand.
        wait: Waits until they are as new as somebody asks.
        check: Raises unless all is there that was in the log at the start.
        position: Returns, for each partition of the log, up to where it is applied.
        background: What keeps it up to date.
    """

    views: Views
    wait: Wait
    check: Check
    position: Callable[[], Mapping[int, int]]
    background: tuple[Background, ...]
