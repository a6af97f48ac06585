from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from services.runtime.metrics import Metrics


def test_every_metric_has_the_prefix_a_help_text_and_labels_of_few_values() -> None:
    registry = CollectorRegistry()
    Metrics(registry)

    for metric in registry.collect():
        assert metric.name.startswith("fovea_")
        assert metric.documentation.endswith(".") or "," in metric.documentation
        for sample in metric.samples:
            assert not {"image", "label", "tenant", "recognition_id", "user"} & set(sample.labels)


def test_two_sets_of_metrics_live_side_by_side() -> None:
    first, second = Metrics(), Metrics()
    first.ranking.abstained.inc()

    assert b"fovea_rank_abstained_total 1.0" in generate_latest(first.registry)
    assert b"fovea_rank_abstained_total 0.0" in generate_latest(second.registry)


def test_a_process_describes_itself() -> None:
    metrics = Metrics()
    metrics.describe_process(["encoding", "retrieval"])
    text = generate_latest(metrics.registry).decode()

    assert "process_resident_memory_bytes" in text
    assert "python_gc_objects_collected_total" in text
    assert 'fovea_build_info{python="3' in text
    assert 'service="encoding"' in text
    assert 'service="retrieval"' in text
