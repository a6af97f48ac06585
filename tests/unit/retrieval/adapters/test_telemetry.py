import logging

import pytest

from services.retrieval.adapters.telemetry import MetricsMonitor
from services.retrieval.domain import Scope
from services.retrieval.ports import Search
from services.runtime.metrics import Metrics
from tests.fakes.exemplars import BIRDS, SEA, embedding
from tests.fakes.memory import InMemoryMemory

SEARCH = Search(BIRDS, InMemoryMemory().view(BIRDS), [], Scope(), 10, [])


def test_searches_are_timed() -> None:
    metrics = Metrics()

    MetricsMonitor(metrics.memory).searched(SEARCH, 0.25)

    found = metrics.registry.get_sample_value("fovea_memory_search_seconds_sum", {"path": "exact"})
    assert found == 0.25


def test_every_search_is_shown_to_the_watch() -> None:
    shown: list[Search] = []

    MetricsMonitor(Metrics().memory, watch=shown.append).searched(SEARCH, 0.25)

    assert shown == [SEARCH]


def test_an_encoder_that_cannot_be_compared_is_logged_once_a_collection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    monitor = MetricsMonitor(metrics.memory)

    with caplog.at_level(logging.WARNING):
        for collection in (BIRDS, SEA, BIRDS):
            monitor.left_out(collection, embedding(0, 1), 7)

    assert [record.getMessage()[:28] for record in caplog.records] == [
        "7 vectors of acme/birds in t",
        "7 vectors of acme/sea in the",
    ]
    assert metrics.registry.get_sample_value("fovea_memory_left_out_total", {"space": "visual"}) == 3
