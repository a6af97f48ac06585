"""How things are measured: both sides take turns, the median counts, and the spread is said."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import threadpoolctl

T = TypeVar("T")
ROUNDS = 5
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """What some work took, in seconds: by the wall clock, and of processors (this process and others)."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its median cost per item, and how far its rounds lie apart."""

    wall_s: float
    cpu_s: float
    spread: float


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used, its threads included, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds, shared pages included."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def cost(work: Callable[[], object], *, pids: Sequence[int] = ()) -> Cost:
    """Do the work and return what it took, in this process and in others."""
    elsewhere = sum(map(processor_s, pids))
    here, began = time.process_time(), time.perf_counter()
    work()
    wall_s = time.perf_counter() - began
    here = time.process_time() - here
    return Cost(wall_s, here + sum(map(processor_s, pids)) - elsewhere)


def in_turn(
    sides: Mapping[str, Callable[[Sequence[T]], object]],
    batch: Callable[[], Sequence[T]],
    *,
    rounds: int = ROUNDS,
    pids: Sequence[int] = (),
) -> dict[str, Side]:
    """Let the sides take turns, round by round, so that whatever else the machine does meets all.

    Numeric libraries get one thread in this process, as in the services.

    Args:
        sides: What each does with a batch.
        batch: Makes a new one for each side and round, before the clock runs.
        rounds: How often; one more comes first and does not count.
        pids: Other processes that work for a side.
    """
    taken: dict[str, list[Cost]] = {name: [] for name in sides}
    with threadpoolctl.threadpool_limits(1):
        for _ in range(rounds + 1):
            for name, work in sides.items():
                items = batch()
                found = cost(partial(work, items), pids=pids)
                taken[name].append(Cost(found.wall_s / len(items), found.cpu_s / len(items)))
    return {name: _side(costs[1:]) for name, costs in taken.items()}


def _side(costs: Sequence[Cost]) -> Side:
    cpu = [one.cpu_s for one in costs]
    middle = statistics.median(cpu)
    spread = (max(cpu) - min(cpu)) / middle if middle else 0.0
    return Side(statistics.median(one.wall_s for one in costs), middle, spread)
