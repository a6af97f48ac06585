"""Metrics of models, as the process that runs or asks them sees them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics.buckets import BATCH, WORK_S


class ModelMetrics:
    """Models, as the process that runs them sees them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.forward = Histogram(
            "fovea_model_forward_seconds",
            "Time of one forward pass.",
            ("model",),
            buckets=WORK_S,
            registry=registry,
        )
        self.batch_size = Histogram(
            "fovea_batch_size", "Items of one forward pass.", ("model",), buckets=BATCH, registry=registry
        )
        self.wait = Histogram(
            "fovea_batch_wait_seconds",
            "Until a forward pass began, for models in this process; Triton tells of its own queue.",
            ("model",),
            buckets=WORK_S,
            registry=registry,
        )
        self.queue = Gauge(
            "fovea_model_queue_depth",
            "Callers that wait for a forward pass, for models in this process.",
            ("model",),
            registry=registry,
        )
        self.errors = Counter(
            "fovea_model_errors", "Forward passes refused or failed.", ("model", "reason"), registry=registry
        )
        self.ready = Gauge("fovea_model_ready", "1 when the model is loaded.", ("model",), registry=registry)
        self.info = Gauge(
            "fovea_model_info", "1, labelled with what is loaded.", ("model", "digest"), registry=registry
        )
