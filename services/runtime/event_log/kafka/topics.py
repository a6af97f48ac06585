"""Topics as the table says: created where they are missing, compared where they are there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from services.kernel.errors import Conflict, Unavailable
from services.runtime.event_log.kafka.connecting import connect
from services.runtime.event_log.kafka.errors import FOREIGN, REFUSED, translate
from services.runtime.event_log.kafka.options import KafkaOptions, connection
from services.runtime.event_log.settings import SUPERSEDED_S, TOMBSTONES_S, TopicSettings

R = TypeVar("R")
_FRAME_BYTES: Final = 65_536  # of a batch: what the topic takes beyond the largest record

_log = logging.getLogger(__name__)


def ensure_topics(servers: str, topics: Mapping[str, TopicSettings], options: KafkaOptions) -> None:
    """Create the topics that are missing, and look whether the others are as they should be.

    Several processes may do so at once. Raises Conflict if a topic has another number of partitions: keys
    would change theirs. Another difference is logged; it is for whoever runs the cluster to settle.
    """
    patiently(lambda: _ensure(servers, topics, options), "create the topics", options.start_s)


def create_missing(
    servers: str, topics: Mapping[str, TopicSettings], options: KafkaOptions, *, dry_run: bool = False
) -> list[str]:
    """Create the topics that are missing and return their names; with `dry_run`, only return them.

    Those that are there are left as they are: a shorter retention deletes, and that is not for a deployment
    to decide. Raises Unavailable.
    """

    def create() -> list[str]:
        with _admin(servers, options) as admin:
            found = _found(admin, topics)
            missing = {name: settings for name, settings in topics.items() if name not in found}
            if missing and not dry_run:
                _create(admin, missing, options)
            return list(missing)

    return patiently(create, "create the topics", options.start_s)


def drift_of(servers: str, topics: Mapping[str, TopicSettings], options: KafkaOptions) -> list[str]:
    """Return, in words, where the brokers differ from the table; empty if nowhere. Raises Unavailable."""

    def compare() -> list[str]:
        with _admin(servers, options) as admin:
            found = _found(admin, topics)
            missing = [f"{name} is missing" for name in topics if name not in found]
            return missing + _differences(admin, topics, found, options)

    return patiently(compare, "compare the topics", options.connect_s)


def identity_of(servers: str, topic: str, options: KafkaOptions) -> str:
    """Return the id of a topic, which another of its name will not have. Raises Unavailable."""

    def ask() -> str:
        with _admin(servers, options) as admin:
            (found,) = admin.describe_topics([topic])
            return str(found["topic_id"])

    return patiently(ask, "ask for the topic's id", options.connect_s)


def patiently(action: Callable[[], R], what: str, patience_s: float) -> R:
    """Return what an action gives, trying again for a while: after an outage brokers refuse for seconds.

    Raises Unavailable, with the last refusal; at once if it is one of this client.
    """
    end_s = time.monotonic() + patience_s
    while True:
        try:
            return action()
        except FOREIGN as error:
            if isinstance(error, REFUSED) or time.monotonic() > end_s:
                raise translate(error, f"cannot {what}") from error
            time.sleep(0.2)


def config_of(settings: TopicSettings, options: KafkaOptions) -> dict[str, str]:
    """Return a topic's configuration in Kafka's words."""
    common = {"max.message.bytes": str(options.record_bytes + _FRAME_BYTES)}
    if settings.late_s is not None:
        common["message.timestamp.before.max.ms"] = str(round(settings.late_s * 1000))
    if settings.compacted:
        return common | {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(round(TOMBSTONES_S * 1000)),
            "max.compaction.lag.ms": str(round(SUPERSEDED_S * 1000)),
        }
    kept_ms = -1 if settings.retention_s is None else round(settings.retention_s * 1000)
    return common | {"cleanup.policy": "delete", "retention.ms": str(kept_ms)}


def _ensure(servers: str, topics: Mapping[str, TopicSettings], options: KafkaOptions) -> None:
    with _admin(servers, options) as admin:
        found = _found(admin, topics)
        missing = {name: settings for name, settings in topics.items() if name not in found}
        if missing:
            _create(admin, missing, options)
            found = _found(admin, topics)
        for name, settings in topics.items():
            _check_partitions(name, settings.partitions, found.get(name, 0))
        for difference in _differences(admin, topics, found, options):
            _log.warning("the topics are not as the table says: %s", difference)


def _create(admin: Any, missing: Mapping[str, TopicSettings], options: KafkaOptions) -> None:
    wanted = {
        name: {"num_partitions": settings.partitions, "configs": config_of(settings, options)}
        for name, settings in missing.items()
    }
    # in dict form and waiting, so that the first `send` does not have to
    answer = admin.create_topics(wanted, raise_errors=False, wait_for_metadata=True)
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        if topic["error_code"] and error is not TopicAlreadyExistsError:
            raise error(f"{topic['name']}: {topic.get('error_message')}")


def _check_partitions(name: str, wanted: int, found: int) -> None:
    if not found:
        raise Unavailable(f"topic {name} is not there yet")
    if found != wanted:
        message = (
            f"topic {name} has {found} partitions in Kafka and {wanted} in the settings;"
            " the number cannot change, because the order of records of one key would be lost"
        )
        raise Conflict(message, reason="PARTITIONS_CHANGED")


def _found(admin: Any, topics: Mapping[str, TopicSettings]) -> dict[str, int]:
    """Return the number of partitions of those topics that there are."""
    there = sorted(set(admin.list_topics()) & topics.keys())
    described = admin.describe_topics(there) if there else []
    return {topic["name"]: len(topic["partitions"]) for topic in described}


def _differences(
    admin: Any, topics: Mapping[str, TopicSettings], found: Mapping[str, int], options: KafkaOptions
) -> list[str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(found)]
    if not resources:
        return []
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    differences = [
        f"{name} has {count} partitions instead of {topics[name].partitions}"
        for name, count in found.items()
        if count != topics[name].partitions
    ]
    for name in sorted(found):
        if not configs[name]:
            differences.append(f"{name} does not show its configuration: this client may not DescribeConfigs")
            continue
        for key, wanted in config_of(topics[name], options).items():
            value = configs[name][key]["value"]
            if value != wanted:
                differences.append(f"{name} has {key}={value} instead of {wanted}")
    return differences


@contextmanager
def _admin(servers: str, options: KafkaOptions) -> Iterator[Any]:
    admin = connect(KafkaAdminClient, connection(servers, options))
    try:
        yield admin
    finally:
        try:
            admin.close()
        except KafkaError:  # the answer is there, or another error is on its way
            _log.debug("an admin client did not close", exc_info=True)
