"""Runs handlers over topics: at least once, in order of key, with retries and dead letters."""

from services.runtime.event_loop.lag import LagWatch
from services.runtime.event_loop.loop import EventLoop
from services.runtime.event_loop.metrics import EventMetrics, PrometheusEventMetrics
from services.runtime.event_loop.retry import RetryPolicy
from services.runtime.event_loop.subscription import Clock, Handler, Platform, Subscription

__all__ = [
    "Clock",
    "EventLoop",
    "EventMetrics",
    "Handler",
    "LagWatch",
    "Platform",
    "PrometheusEventMetrics",
    "RetryPolicy",
    "Subscription",
]
