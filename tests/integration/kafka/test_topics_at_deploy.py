"""The two commands of a deployment: topics are created once, and whoever changed one is told on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions

from infra.local import daemons
from infra.local.kafka import KafkaServer
from infra.local.server import running
from services.runtime.topics import TOPICS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that nobody has created topics on."""
    with running(KafkaServer(), tmp_path_factory.mktemp("kafka")) as server:
        yield server.settings["FOVEA_KAFKA_SERVERS"]


def call(servers: str, *command: str) -> tuple[int, list[str]]:
    """Return the exit code, and what was said."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.runtime.event_log.kafka", *command],
        env={**os.environ, "FOVEA_KAFKA_SERVERS": servers},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return ended.returncode, ended.stdout.splitlines()


def change(servers: str, partitions: Mapping[str, int], configs: Mapping[str, dict[str, str]]) -> None:
    client = KafkaAdminClient(bootstrap_servers=servers)
    client.create_partitions({name: NewPartitions(count) for name, count in partitions.items()})
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, told) for name, told in configs.items()]
    client.alter_configs(resources)
    client.close()


def test_topics_are_created_once_and_whoever_changed_one_is_told_on(servers: str) -> None:
    every = set(TOPICS.settings())

    code, said = call(servers, "check")
    assert code == 3
    assert set(said) == {f"{name} is missing" for name in every}

    code, said = call(servers, "apply", "--dry-run")
    assert code == 0
    assert set(said[:-1]) == {f"{name} would be created" for name in every}

    code, said = call(servers, "apply")
    assert code == 0
    assert set(said[:-1]) == {f"{name} was created" for name in every}

    as_said = (0, [f"{len(every)} topics are as the table says"])
    assert call(servers, "apply") == as_said
    assert call(servers, "check") == as_said

    change(
        servers,
        {"images.submitted": 6},
        {
            "feedback.given": {"retention.ms": "60000"},
            "exemplars.encoded": {"cleanup.policy": "delete"},
        },
    )
    found = [
        "images.submitted has 6 partitions instead of 4",
        "exemplars.encoded has cleanup.policy=delete instead of compact",
        "feedback.given has retention.ms=60000 instead of -1",
    ]
    code, said = call(servers, "check")
    assert code == 3
    assert set(found) <= set(said)
    assert call(servers, "apply") == (3, said), "a deployment changes nothing that is there"


def test_a_broker_that_is_not_there_is_no_drift() -> None:
    (port,) = daemons.free_ports(1)

    assert call(f"127.0.0.1:{port}", "check") == (1, [])


def test_without_brokers_nothing_is_compared() -> None:
    assert call("", "check") == (2, [])
