"""Events that nobody could handle, as operators see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fovea.client.errors import FoveaError


@dataclass(frozen=True)
class DeadLetter:
    """An event that nobody could handle.

    Attributes:
        id: Where it stands; `Client.replay_dead_letters` takes it.
        topic: Where it was published.
        partition: Of that topic.
        offset: In that partition.
        key: What it is about.
        headers: Its own.
        failure: Why it could not be handled.
        attempts: How often it was tried.
        service: Who gave up.
        service_version: In which version.
        first_seen: The first attempt.
        last_seen: The last one.
        replayed: When it was last replayed; None if it never was.
    """

    id: str
    topic: str
    partition: int
    offset: int
    key: str
    headers: Mapping[str, str]
    failure: FoveaError
    attempts: int
    service: str
    service_version: str
    first_seen: datetime
    last_seen: datetime
    replayed: datetime | None


@dataclass(frozen=True)
class Replay:
    """What became of a dead letter; `failure` says why it was refused."""

    letter: DeadLetter
    outcome: Literal["replayed", "would_replay", "already_replayed", "refused"]
    failure: FoveaError | None = None
