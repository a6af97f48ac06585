"""Who handles which topic, and what the handling needs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import EventLog
from services.runtime.event_loop.metrics import EventMetrics, NoMetrics
from services.runtime.event_loop.retry import RetryPolicy
from services.runtime.events import Output
from services.runtime.topics import TopicTable
from services.runtime.tracing import Tracer

Handler = Callable[[Any], Output | Sequence[Output] | None]
"""Takes a topic's message (of a topic of dead letters: a `DeadLetter`) and returns what to publish.

It is called again for the same event after a crash or an error, and must then return the same.
"""


@dataclass(frozen=True)
class Subscription:
    """One handler over one topic.

    Args:
        topic: Its name.
        group: All processes of one group share the topic's events.
        handler: What to do with each.
        workers: Threads in this process; more than the topic has partitions are of no use.
        timeout_s: How long a handler may take; asked through `services.runtime.deadline`.
        most: Events read at once, which is also the most that is done again after a crash.
        metrics: Takes note.
    """

    topic: str
    group: str
    handler: Handler
    workers: int = 1
    timeout_s: float = 60.0
    most: int = 64
    metrics: EventMetrics = field(default_factory=NoMetrics)


@dataclass(frozen=True)
class Clock:
    """The time, and chance; tests have their own."""

    monotonic_s: Callable[[], float] = time.monotonic
    now_s: Callable[[], float] = time.time
    random: Callable[[], float] = random.random


@dataclass(frozen=True)
class Platform:
    """What all loops of a process share.

    Args:
        log: Where events are.
        topics: What they are.
        service: Who handles them.
        version: In which version.
        claims: Has the values of events that are too large for the log.
        tracer: Takes the spans of their events, if anybody does.
        retry: What errors mean.
        flush_after_s: Outputs are published together, but none waits longer than this for the next event.
        trust_s: A member whose group has not answered it for so long asks it before it publishes to a topic
            that refuses what comes late; well below that topic's `late_s`.
        commit_after_s: Events are committed together, but none later than this after it is done with: so
            much is done again after a death.
        idle_s: A loop looks at least this often whether it shall stop.
        clock: The time.
    """

    log: EventLog
    topics: TopicTable
    service: str
    version: str
    claims: Claims = field(default_factory=NoClaims)
    tracer: Tracer | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    flush_after_s: float = 0.02
    commit_after_s: float = 0.25
    trust_s: float = 1.0
    idle_s: float = 0.25
    clock: Clock = field(default_factory=Clock)

    @property
    def producer(self) -> str:
        """Service and version, as event headers name them."""
        return f"{self.service}/{self.version}"
