"""Metrics of what is looked for in images, and of what is found."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class FindingMetrics:
    """What segmentation is asked for, and what it finds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.prompts = Counter(
            "fovea_find_prompts",
            "Prompts looked for, by kind: name, phrase, sentence, exemplar.",
            ("kind",),
            registry=registry,
        )
        self.images = Counter(
            "fovea_find_images",
            "Images in which prompts were looked for, by outcome: found, nothing.",
            ("outcome",),
            registry=registry,
        )
        self.regions = Counter("fovea_find_regions", "Regions that prompts found.", registry=registry)

    def asked(self, kind: str, count: int) -> None:
        """Count prompts of a kind."""
        self.prompts.labels(kind).inc(count)

    def found(self, count: int) -> None:
        """Count the regions of one image."""
        self.images.labels("found" if count else "nothing").inc()
        self.regions.inc(count)
