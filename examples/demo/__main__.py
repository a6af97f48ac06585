"""`make demo`: start Fovea, teach, ask, print, and write a report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console

import fovea
from examples.demo.console import Bars, show
from examples.demo.findings import Findings, Setup
from examples.demo.report import page
from examples.demo.run import Demonstration
from examples.demo.task import VENDORS, Task, divide, load
from examples.serving import Serving, ServingFailed, log_tail, serving

_HELD_OUT = 0.2
_INTERRUPTED = 130


def main() -> int:
    """Run the demonstration; 0 if it went through."""
    chosen = _arguments()
    console = Console()
    task = divide(load(), teacher=chosen.teacher, held_out=_HELD_OUT, seed=chosen.seed)
    console.print("Starting Fovea …")
    try:
        found = _served(console, task, most=chosen.most or None)
    except (ServingFailed, fovea.FoveaError) as failed:
        console.print(f"The demonstration ended early: {failed}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return _INTERRUPTED
    show(console, found)
    chosen.report.write_text(page(found), encoding="utf-8")
    console.print(f"\nEvery query with its neighbours: {chosen.report} (whole run: {found.took_s:.0f} s)")
    return 0


def _served(console: Console, task: Task, *, most: int | None) -> Findings:
    began = time.perf_counter()
    with serving() as server:
        console.print(_introduction(task, server))
        try:
            with fovea.Client(server.target) as client:
                demonstration = Demonstration(client, task, Bars(console), most)
                rounds, sheets = demonstration.run(), demonstration.ask_sheets()
                scenes = demonstration.ask_scenes()
        except fovea.FoveaError:
            console.print(f"Its log, {server.folder}/log, ends:\n{log_tail(server.folder)}", markup=False)
            raise
    setup = Setup(fovea.__version__, len(os.sched_getaffinity(0)), server.ready_s, most)
    return Findings(task, rounds, sheets, scenes, setup, time.perf_counter() - began)


def _introduction(task: Task, server: Serving) -> str:
    asked = " and ".join(VENDORS[vendor] for vendor in task.vendors[1:])
    return (
        f"Fovea {fovea.__version__} serves on {server.target}, ready after {server.ready_s:.1f} s. "
        f"It is taught {len(task.labels)} classes by one picture each, by {VENDORS[task.teacher]}, and again "
        f"by their names alone. Then it is asked for other artists' pictures of them ({asked}), "
        f"and for {len(task.unknown_labels)} classes that it was never taught.\n"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("demo-report.html"), help="where to write it")
    parser.add_argument("--teacher", choices=VENDORS, default="twemoji", help="whose pictures are taught")
    parser.add_argument("--most", type=int, default=0, help="most pictures asked per artist and way; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the classes held out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
