"""How the benchmarks count."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from benchmarks.measure import cost, in_turn, resident_bytes
from benchmarks.pictures import new_pictures, photograph
from benchmarks.table import table


def test_sleeping_takes_time_but_no_processor() -> None:
    found = cost(lambda: time.sleep(0.05))

    assert found.wall_s >= 0.05
    assert found.cpu_s < 0.05


def test_the_processor_time_of_other_processes_is_added() -> None:
    began = time.process_time()
    found = cost(_busy, pids=[os.getpid()])  # as if this one were another one too
    spent = time.process_time() - began

    assert found.cpu_s > 1.5 * spent


def test_the_sides_take_turns_with_batches_of_their_own() -> None:
    seen: list[tuple[str, int]] = []
    numbers = iter(range(100))

    def note(name: str, batch: Sequence[int]) -> None:
        seen.append((name, batch[0]))

    in_turn(
        {"a": lambda batch: note("a", batch), "b": lambda batch: note("b", batch)},
        lambda: [next(numbers)],
        rounds=2,
    )

    assert seen == [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]


def test_costs_are_per_item() -> None:
    found = in_turn({"a": lambda _: time.sleep(0.02)}, lambda: [1, 2, 3, 4], rounds=1)

    assert 0.005 <= found["a"].wall_s < 0.02


def test_this_process_holds_some_memory() -> None:
    assert resident_bytes(os.getpid()) > 1_000_000


def test_no_picture_comes_twice_and_the_same_number_gives_the_same_picture() -> None:
    batch = new_pictures(3, side_px=64)

    assert len({*batch(), *batch()}) == 6
    assert photograph(5, side_px=64) == photograph(5, side_px=64)


def test_columns_are_aligned() -> None:
    assert table(("what", "ms"), [("a", "1.00"), ("longer", "10.00")]) == (
        "what       ms\na        1.00\nlonger  10.00"
    )


def _busy() -> None:
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
