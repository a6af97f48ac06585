"""The places of the services' groups in the log: seen from outside, and set back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from kafka import KafkaAdminClient, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.errors import NoError

from services.runtime.event_log.kafka.connecting import connect
from services.runtime.event_log.kafka.log import group_id
from services.runtime.event_log.ports import EventLog, TopicPartition
from tests.e2e.waiting import eventually

CHAIN: Final = {
    "images.submitted": "segmentation",
    "regions.proposed": "encoding",
    "regions.encoded": "retrieval",
    "candidates.retrieved": "ranking",
    "recognitions.completed": "gateway",
}
TEACHING: Final = {"exemplars.submitted": "encoding"}
_GROUPS: Final = {topic: group_id(service, [topic]) for topic, service in {**CHAIN, **TEACHING}.items()}


class Groups:
    """The groups through which the services read their topics.

    Args:
        servers: The brokers.
        log: The same, as the platform sees it.
    """

    def __init__(self, admin: Any, log: EventLog) -> None:
        self._admin = admin
        self._log = log

    @property
    def caught_up(self) -> bool:
        """Whether everything that is in the topics is done with."""
        return all(self._lag(topic) == 0 for topic in _GROUPS)

    def set_back(self, chance: random.Random, reach: int) -> int:
        """Let every group read up to so many events of each partition again; return how many in all.

        Nobody may be a member; those who were and died are waited for.
        """
        return sum(self._set_back(topic, chance, reach) for topic in _GROUPS)

    def _set_back(self, topic: str, chance: random.Random, reach: int) -> int:
        committed = self._committed(topic)
        earlier = {
            source: chance.randint(max(0, offset - reach), offset) for source, offset in committed.items()
        }
        offsets = {
            KafkaPartition(*source): OffsetAndMetadata(offset, "", -1) for source, offset in earlier.items()
        }
        eventually(partial(self._altered, _GROUPS[topic], offsets), timeout_s=60.0)
        return sum(committed[source] - offset for source, offset in earlier.items())

    def _altered(self, group: str, offsets: Mapping[Any, Any]) -> bool | None:
        errors = self._admin.alter_group_offsets(group, offsets)
        return True if all(error is NoError for error in errors.values()) else None

    def _lag(self, topic: str) -> int:
        committed = self._committed(topic)
        ends = self._log.end_offsets(topic).items()
        return sum(end - committed.get(TopicPartition(topic, partition), 0) for partition, end in ends)

    def _committed(self, topic: str) -> dict[TopicPartition, int]:
        (found,) = self._admin.list_group_offsets([_GROUPS[topic]]).values()
        return {TopicPartition(*source): commit.offset for source, commit in found.items()}


@contextmanager
def opened(servers: str, log: EventLog) -> Iterator[Groups]:
    """Connect, and disconnect at the end."""
    make: Callable[..., Any] = KafkaAdminClient
    admin = connect(make, {"bootstrap_servers": servers.split(",")})
    try:
        yield Groups(admin, log)
    finally:
        admin.close()
