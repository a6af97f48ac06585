"""The stack in containers is the stack of `make up`: same services, ports, environment names and versions."""

from __future__ import annotations

import re
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local import kafka
from infra.local.stack import SERVICES
from services.runtime.settings import PREFIX, ProcessSettings

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "infra" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = {"kafka", "minio", "triton", "edge"}
JOBS = {"topics", "models"}
# A version, such as 4.1.0, 24.10-py3 or RELEASE.2025-09-07T16-13-09Z, and never a name that moves.
PINNED = re.compile(r"^[\w./-]+:(RELEASE\.)?\d[\w.-]*\.?\d")


def test_there_are_the_five_services_their_servers_and_two_jobs() -> None:
    assert set(CONTAINERS) == set(SERVICES) | SERVERS | JOBS


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_image_is_pinned_by_version(name: str) -> None:
    image = CONTAINERS[name]["image"]

    assert PINNED.match(image), image
    if image.startswith("fovea/"):
        assert image.endswith(f":{metadata.version('fovea')}")


def test_what_the_images_start_from_is_pinned_too() -> None:
    text = (DOCKER / "service.Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    bases = [base for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if base not in stages]

    assert bases
    assert all(PINNED.match(base) for base in bases)
    assert {CONTAINERS[name]["build"]["target"] for name in (*SERVICES, *JOBS)} <= stages


def test_kafka_is_the_one_that_the_tests_run_on() -> None:
    assert CONTAINERS["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_built_for_itself_and_told_only_what_it_reads(name: str) -> None:
    container = CONTAINERS[name]
    (settings,) = _settings_of(name)
    told = {key.removeprefix(PREFIX).lower() for key in container["environment"]}

    assert container["build"]["args"] == {"SERVICE": name}
    assert told <= settings.model_fields.keys()
    assert container["environment"]["FOVEA_PORT"] == SERVICES[name] == settings.model_fields["port"].default


def test_the_job_is_told_only_what_it_reads() -> None:
    assert CONTAINERS["topics"]["environment"].keys() == {"FOVEA_KAFKA_SERVERS"}


def test_services_share_a_network_whose_one_port_is_on_the_loopback_of_the_host() -> None:
    assert {CONTAINERS[name]["network_mode"] for name in SERVICES} == {"service:edge"}
    assert all("FOVEA_HOST" not in CONTAINERS[name]["environment"] for name in SERVICES)
    published = {name: container["ports"] for name, container in CONTAINERS.items() if "ports" in container}
    assert published == {"edge": [f"127.0.0.1:{SERVICES['gateway']}:8080"]}
    assert f"proxy_pass 127.0.0.1:{SERVICES['gateway']};" in (DOCKER / "edge.conf").read_text()


def test_every_server_tells_whether_it_is_healthy_and_who_needs_it_waits_for_that() -> None:
    assert all("healthcheck" in CONTAINERS[name] for name in SERVERS)
    for container in CONTAINERS.values():
        for needed, how in container.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in JOBS else "service_healthy"
            assert how["condition"] == expected
    assert all({"edge", "topics", "minio"} <= CONTAINERS[name]["depends_on"].keys() for name in SERVICES)
    assert "triton" in CONTAINERS["encoding"]["depends_on"]


def test_the_only_secret_is_required_and_written_nowhere() -> None:
    secret = CONTAINERS["gateway"]["environment"]["FOVEA_S3_SECRET_KEY"]

    assert secret.startswith("${FOVEA_S3_SECRET_KEY:?")
    assert CONTAINERS["minio"]["environment"]["MINIO_ROOT_PASSWORD"] == secret
    assert "/infra/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_services_run_with_as_few_rights_as_they_need() -> None:
    for name in (*SERVICES, "topics", "edge"):
        container = CONTAINERS[name]
        assert container["read_only"]
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]
    users = re.findall(r"^USER (\S+)$", (DOCKER / "service.Dockerfile").read_text(), re.MULTILINE)
    assert users[0] == users[-1] == "10001:10001"


def _settings_of(name: str) -> list[type[ProcessSettings]]:
    """Return the settings class that a service's own module defines, which may have parts of its own."""
    module = import_module(f"services.{name}.settings")
    defined = [
        found
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, ProcessSettings)
        and found.__module__ == module.__name__
    ]
    return [each for each in defined if not any(each in other.__bases__ for other in defined)]
