"""`make chaos`: the fault experiments in their long form; their figures go into docs/reliability.md.

`python -m tests.chaos NAME ...` runs some; `--short` as in `make integration`. The page says in which form.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.page import update
from tests.chaos.registry import EXPERIMENTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them one after the other; one that fails does not keep the others from running."""
    names = [one.name for one in EXPERIMENTS]
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; default: all of {', '.join(names)}")
    parser.add_argument("--short", action="store_true", help="run the short form")
    asked = parser.parse_args(arguments)
    if strangers := set(asked.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(strangers))}; there are {', '.join(names)}")
    chosen = [one for one in EXPERIMENTS if not asked.names or one.name in asked.names]
    held = [_ran(one, Size.SHORT if asked.short else Size.LONG) for one in chosen]
    return 0 if all(held) else 1


def _ran(experiment: Experiment, size: Size) -> bool:
    print(f"\n## {experiment.name}: {experiment.promise}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"fovea-{experiment.name}-") as folder:
        try:
            found = experiment.run(Path(folder), size)
        except Exception as error:  # noqa: BLE001  (printed, and the exit code says so)
            print(f"failed after {time.monotonic() - began:.0f} s: {error}")
            return False
    for figures in found:
        print(figures)
    print(f"{'held' if _held(found) else 'BROKEN'}, {time.monotonic() - began:.0f} s", flush=True)
    update(experiment, found, size)
    return _held(found)


def _held(found: Sequence[Figures]) -> bool:
    return bool(found) and all(figures.held for figures in found)


if __name__ == "__main__":
    sys.exit(main())
