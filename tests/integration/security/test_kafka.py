"""Kafka behind TLS, passwords and certificates: who may come in does, who may not hears why."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from infra.local.kafka import Door, KafkaServer
from infra.local.server import running
from services.kernel.errors import Unavailable
from services.runtime.event_log.kafka import KafkaLog, KafkaOptions, Security
from services.runtime.event_log.ports import NewRecord
from services.runtime.event_log.settings import TopicSettings
from services.runtime.settings import ProcessSettings
from tests.integration.kafka.logs import everything, read
from tests.integration.security.certificates import Certificates, certificates
from tests.integration.security.servers import PASSWORD, USER, Doors, doors, guarded

pytestmark = [
    pytest.mark.integration,
    # the client library leaves the socket of a failed handshake to the garbage collector
    pytest.mark.filterwarnings(r"ignore:unclosed <ssl\.SSLSocket:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Have such sockets collected while that is expected, not in some later test."""
    yield
    gc.collect()


@dataclass(frozen=True)
class Place:
    """A guarded broker, and what opens its doors; nothing is guarded at `open_door`."""

    open_door: str
    doors: Doors
    server: Certificates
    client: Certificates
    stranger: Certificates

    def with_password(self, **changed: Any) -> ProcessSettings:
        given = {"kafka_security": "SASL_SSL", "kafka_user": USER, "kafka_password": PASSWORD, **changed}
        return self._settings(self.doors.password, given)

    def with_certificate(self, client: Certificates | None) -> ProcessSettings:
        shown = {} if client is None else {"certificate": client.certificate, "key": client.key}
        given = {f"kafka_{name}_file": file for name, file in shown.items()}
        return self._settings(self.doors.certificate, {"kafka_security": "SSL", **given})

    def _settings(self, door: Door, given: dict[str, Any]) -> ProcessSettings:
        told = {"kafka_servers": f"127.0.0.1:{door.port}", "kafka_ca_file": self.server.ca, **given}
        return ProcessSettings.load(**told)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, authority = tmp_path_factory.mktemp("guarded"), trustme.CA()
    server = certificates(folder / "server", authority, "127.0.0.1")
    client = certificates(folder / "client", authority, "client@fovea.test")
    stranger = certificates(folder / "stranger", trustme.CA(), "stranger@fovea.test")
    ways = doors()
    with running(KafkaServer(extra=guarded(ways, server)), folder / "kafka") as broker:
        yield Place(broker.settings["FOVEA_KAFKA_SERVERS"], ways, server, client, stranger)


def log_of(settings: ProcessSettings, *topics: str) -> KafkaLog:
    options = KafkaOptions(security=Security.of(settings), start_s=30.0, connect_s=2.0)
    return KafkaLog(settings.kafka_servers, {topic: TopicSettings(2) for topic in topics}, options=options)


def works(settings: ProcessSettings, topic: str = "") -> None:
    """Publish, consume in a group, follow without one, and ask for offsets."""
    topic = topic or f"things.done-{uuid.uuid4()}"
    with closing(log_of(settings, topic)) as log:
        log.publish([NewRecord(topic, f"k{n}", b"value") for n in range(5)])
        with log.consumer("group", [topic]) as consumer:
            assert {record.key for record in read(consumer, 5)} == {f"k{n}" for n in range(5)}
        assert len(everything(log, topic)) == 5


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_password_opens_the_door(place: Place, mechanism: str) -> None:
    works(place.with_password(kafka_mechanism=mechanism))


def test_a_certificate_opens_the_other_door(place: Place) -> None:
    works(place.with_certificate(place.client))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_is_refused_at_once_and_shown_nowhere(
    place: Place, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = place.with_password(kafka_mechanism=mechanism, kafka_password="a-wrong-secret")  # noqa: S106

    with pytest.raises(Unavailable, match="does not allow it") as caught:
        log_of(settings, "things.done")

    assert caught.value.reason == "NOT_ALLOWED"
    assert "a-wrong-secret" not in caplog.text + str(caught.value) + repr(settings)


def test_a_mechanism_that_brokers_do_not_have_is_refused(place: Place) -> None:
    with pytest.raises(Unavailable) as caught:
        log_of(place.with_password(kafka_mechanism="SCRAM-SHA-256"), "things.done")

    assert caught.value.reason == "NOT_ALLOWED"


def test_a_broker_whose_authority_is_unknown_is_not_trusted(place: Place) -> None:
    with pytest.raises(Unavailable, match="certificate that is not trusted") as caught:
        log_of(place.with_password(kafka_ca_file=place.stranger.ca), "things.done")

    assert caught.value.reason == "NOT_TRUSTED"


def test_a_broker_must_be_who_it_is_called(place: Place, tmp_path: Path) -> None:
    authority = trustme.CA()
    other = certificates(tmp_path / "other", authority, "kafka.example.org")
    ways = doors()
    with running(KafkaServer(extra=guarded(ways, other)), tmp_path / "kafka"):
        elsewhere = replace(place, doors=ways, server=other)
        with pytest.raises(Unavailable, match="IP address mismatch") as caught:
            log_of(elsewhere.with_password(), "things.done")

    assert caught.value.reason == "NOT_TRUSTED"


def test_a_client_without_the_right_certificate_is_not_trusted(place: Place) -> None:
    for client in (None, place.stranger):
        with pytest.raises(Unavailable, match="does not agree") as caught:
            log_of(place.with_certificate(client), "things.done")

        assert caught.value.reason == "NOT_TRUSTED"


def a_topic_that_allows(place: Place, *operations: ACLOperation) -> str:
    """Return a new topic whose group anybody may join, and with which the user may do no more than that."""
    topic = f"things.done-{uuid.uuid4()}"
    with closing(KafkaLog(place.open_door, {topic: TopicSettings(2)})):
        pass
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    rights = [(f"User:{USER}", operation) for operation in operations] + [("User:other", ACLOperation.ALL)]
    admin = KafkaAdminClient(bootstrap_servers=place.open_door)
    admin.create_acls([ACL(who, "*", may, ACLPermissionType.ALLOW, pattern) for who, may in rights])
    admin.close()
    return topic


def test_four_rights_are_enough_for_topics_that_are_there(place: Place) -> None:
    four = (ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS, ACLOperation.READ, ACLOperation.WRITE)

    works(place.with_password(), a_topic_that_allows(place, *four))


def test_without_the_right_to_compare_it_works_and_says_so(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    three = (ACLOperation.DESCRIBE, ACLOperation.READ, ACLOperation.WRITE)

    works(place.with_password(), a_topic_that_allows(place, *three))

    assert "may not DescribeConfigs" in caplog.text


def run(module: str, told: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program that logs everything."""
    return subprocess.run(
        [sys.executable, "-m", module, *command],
        env={**os.environ, "FOVEA_LOG_LEVEL": "DEBUG", **told},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def environment(place: Place) -> dict[str, str]:
    return {
        "FOVEA_KAFKA_SERVERS": f"127.0.0.1:{place.doors.password.port}",
        "FOVEA_KAFKA_SECURITY": "SASL_SSL",
        "FOVEA_KAFKA_CA_FILE": str(place.server.ca),
        "FOVEA_KAFKA_MECHANISM": "PLAIN",
        "FOVEA_KAFKA_USER": USER,
    }


def test_a_process_that_may_not_come_in_says_so_in_one_clear_line_without_the_password(
    place: Place, tmp_path: Path
) -> None:
    wrong = {"FOVEA_KAFKA_PASSWORD": "a-wrong-secret", "FOVEA_DATA_FOLDER": str(tmp_path), "FOVEA_PORT": "0"}
    ended = run("services.ranking", environment(place) | wrong)

    said = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "Kafka does not allow it to this client" in said
    assert "a-wrong-secret" not in said


def test_the_password_may_be_a_file_and_is_in_no_log(place: Place, tmp_path: Path) -> None:
    (tmp_path / "fovea_kafka_password").write_text(f"{PASSWORD}\n")
    told = environment(place) | {"FOVEA_SECRETS_FOLDER": str(tmp_path)}
    ended = run("services.runtime.event_log.kafka", told, "apply")

    assert ended.returncode == 0, ended.stderr
    assert "kafka" in ended.stderr, "it does log something"
    assert PASSWORD not in ended.stdout + ended.stderr
