"""Settings that hold for every test."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import Running, running
from infra.local.triton import SHIPPED_MODELS, TritonServer
from models.ranking.chats import LLAVA
from tests.fakes.onnx_graphs import write_model
from tests.fakes.vllm_models import write_vllm_model

# The machine may be busy: a slow example is no failure.
settings.register_profile(
    "quick", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A MinIO for tests that do it no harm; each takes a bucket of its own."""
    with running(MinioServer(), tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture(scope="session")
def triton_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Triton with the shipped models, `scale` and `vllm_llava`, for tests that do it no harm."""
    store, beside = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("beside")
    for model in SHIPPED_MODELS.iterdir():
        (store / model.name).symlink_to(model)
    write_model(store)
    write_vllm_model(beside, "vllm_llava", LLAVA)
    with running(TritonServer(store, beside=beside), tmp_path_factory.mktemp("triton")) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One broker of Kafka for tests that do it no harm; each takes topics of its own."""
    with running(KafkaServer(), tmp_path_factory.mktemp("kafka")) as server:
        yield server
