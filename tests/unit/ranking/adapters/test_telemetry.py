from services.kernel.rankings import Candidates
from services.ranking.adapters.telemetry import MetricsMonitor
from services.ranking.domain.ordering import Gates, Thresholds, retrieval_order
from services.runtime.metrics import Metrics
from tests.fakes.ranking import candidates

THRESHOLDS = Thresholds(trust=0.5, unknown=0.5, level=0.5)


def counted(*found: Candidates) -> dict[str, float]:
    metrics = Metrics()
    monitor = MetricsMonitor(metrics.ranking)
    for each in found:
        monitor.ranked(each, retrieval_order(each, Gates.of(each, THRESHOLDS)))
    return {
        sample.name: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("fovea_rank") and sample.value and "le" not in sample.labels
    }


def test_each_status_counts_where_it_belongs() -> None:
    strange = candidates(("robin", 1.0), unknown=0.9)
    clear = candidates(("robin", 1.0), margin=1.0)
    close = candidates(("robin", 0.5), ("wren", 0.5))

    found = counted(strange, clear, clear, close, close, close)

    assert found["fovea_rank_abstained_total"] == 1
    assert found["fovea_rank_trusted_total"] == 2
    assert found["fovea_rank_degraded_total"] == 3
    assert (found["fovea_rank_margin_count"], found["fovea_rank_margin_sum"]) == (6, 2)
