"""What operators want to know of ranking, as metrics."""

from __future__ import annotations

from services.kernel.rankings import Candidates, Ranking, RankingStatus
from services.runtime.metrics import RankingMetrics


class MetricsMonitor:
    """Counts on the platform's metrics."""

    def __init__(self, metrics: RankingMetrics) -> None:
        self._metrics = metrics

    def ranked(self, found: Candidates, ranking: Ranking) -> None:
        """Count one ranking by its status."""
        self._metrics.margin.observe(found.margin)
        if ranking.broader is not None:
            self._metrics.broader.inc()
        if ranking.judged is not None:
            self._metrics.judged.labels(ranking.judged.parsed.value).inc()
        if ranking.rung:
            self._metrics.degraded.labels(ranking.rung).inc()
        elif ranking.status is RankingStatus.UNKNOWN:
            self._metrics.abstained.inc()
        elif ranking.status is RankingStatus.TRUSTED_RETRIEVAL:
            self._metrics.trusted.inc()

    def asked(self, tokens: int, duration_s: float) -> None:
        """Count the tokens, and observe the time."""
        self._metrics.tokens.inc(tokens)
        self._metrics.duration.observe(duration_s)
