"""Clients that are slow, silent, too large, too many or no clients at all, beside one that is right."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import fovea
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.strangers import ATTACKS, LABELS, MESSAGE_WAIT_S, Attack, Site, deaf
from tests.e2e.calls import Calls
from tests.e2e.pictures import png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

MOST_GROWTH_MB: Final = 150.0
_AT_LEAST: Final = 5  # calls of the good client beside each attack


@dataclass
class Beside:
    """What happened meanwhile."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    most_mb: float = 0.0


def run(folder: Path, size: Size) -> list[Figures]:
    """Attack in every way, one after the other."""
    settings = {"FOVEA_MESSAGE_WAIT_S": str(MESSAGE_WAIT_S)}
    with Program("services.allinone", folder, settings) as program, Calls(program.target) as calls:
        calls.remember([(label, png(label, seed=900)) for label in LABELS])
        for number in range(50):  # so that what is kept anyway is not taken for growth
            calls.recognize(png(LABELS[number % 3], seed=number))
        site = Site(program, long=size is Size.LONG)
        deaf(site)  # likewise: every thread that reads the log keeps a connection to it
        return [_attacked(site, name, attack) for name, attack in ATTACKS.items()]


def _attacked(site: Site, name: str, attack: Attack) -> Figures:
    with _working(site) as beside:
        eventually(lambda: beside.answered or None)
        descriptors, rss_mb = site.descriptors, site.rss_mb
        count, left = attack(site)
        done = beside.answered
        with suppress(AssertionError):  # then it failed, and that is counted
            eventually(lambda: beside.answered - done >= _AT_LEAST or len(beside.failed) or None)
        for one in left:
            one.close()
        eventually(lambda: site.descriptors <= descriptors or None)
    growth_mb = beside.most_mb - rss_mb
    print(f"{name}: {beside}, growth {growth_mb:.0f} MB", flush=True)
    assert growth_mb < MOST_GROWTH_MB, f"{name}: memory grew by {growth_mb:.0f} MB"
    note = (
        f"{name[0].upper()}{name[1:]}: memory grew by {max(0.0, growth_mb):.0f} MB; "
        f"the slowest good call took {beside.slowest_s:.2f} s."
    )
    return Figures(name, count, beside.answered + len(beside.failed), lost=len(beside.failed), note=note)


@contextmanager
def _working(site: Site) -> Iterator[Beside]:
    """Let a good client call all the time, and look at the memory."""
    beside, stop = Beside(), threading.Event()
    client = fovea.Client(site.program.target, timeout_s=30)  # waits where it is told to come back later

    def call() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            began_s = time.monotonic()
            try:
                client.recognize(png(LABELS[number % 3], seed=number % 50))
                beside.answered += 1
            except fovea.FoveaError as error:
                beside.failed.append(f"{type(error).__name__}: {error.message}")
            beside.slowest_s = max(beside.slowest_s, time.monotonic() - began_s)
            beside.most_mb = max(beside.most_mb, site.rss_mb)

    thread = threading.Thread(target=call, name="good-client", daemon=True)
    thread.start()
    try:
        yield beside
    finally:
        stop.set()
        thread.join()
        client.close()


EDGE: Final = Experiment(
    name="edge",
    promise=(
        "Whatever strangers send to the gRPC port, others are served, memory stays bounded, and what they "
        "held is free again when they have gone."
    ),
    run=run,
    short_timeout_s=300.0,
)
