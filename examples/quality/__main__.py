"""Writes docs/demo-quality.md: `make demo-quality`. Every number of it is measured, none is typed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import fovea
from examples import levels
from examples.demo.findings import Findings, Setup
from examples.demo.run import Demonstration
from examples.demo.task import divide, load
from examples.quality.page import written
from examples.serving import serving

_DOCS = Path(__file__).parents[2] / "docs"
_HELD_OUT = 0.2


T = TypeVar("T")


def main() -> int:
    """Run the demonstration and the levels, and write the page."""
    task = divide(load(), teacher="twemoji", held_out=_HELD_OUT, seed=0)
    began = time.perf_counter()
    with serving() as server, fovea.Client(server.target) as client:
        demonstration = Demonstration(client, task, quiet, None)
        rounds, sheets = demonstration.run(), demonstration.ask_sheets()
        scenes = demonstration.ask_scenes()
        setup = Setup(fovea.__version__, 0, server.ready_s, None)
    found = Findings(task, rounds, sheets, scenes, setup, time.perf_counter() - began)
    known, strange = levels.measure()
    place = _DOCS / "demo-quality.md"
    place.write_text(written(found, known, strange), encoding="utf-8")
    print(f"{place} after {time.perf_counter() - began:.0f} s")
    return 0


def quiet(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Say only what is done next."""
    print(f"{title}: {total}")
    yield from items


if __name__ == "__main__":
    sys.exit(main())
