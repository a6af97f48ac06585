"""Clients of the library, made so that one that fails leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from services.runtime.event_log.kafka.greeting import refusal


def connect(make: Callable[..., Any], config: Mapping[str, Any]) -> Any:
    """Return a consumer, producer or admin client that has reached a broker.

    If none answers, the library raises from its constructor and leaves a thread that goes on asking, and its
    sockets, each time: an hour's outage would leave thousands. So that part is held here and closed.

    Raises what brokers have against this client where the library would say that there was no answer.
    """
    made: list[Any] = []

    def networking(**configs: Any) -> Any:
        made.append(KafkaNetClient(**configs))
        return made[0]

    try:
        return make(**config, kafka_client=networking)
    except BaseException as error:
        for one in made:
            one.close()
        _explain(error, config)
        raise


def _explain(error: BaseException, config: Mapping[str, Any]) -> None:
    unanswered = isinstance(error, KafkaTimeoutError | KafkaConnectionError)
    if (
        unanswered
        and config.get("security_protocol", "PLAINTEXT") != "PLAINTEXT"
        and (why := refusal(config))
    ):
        raise why from error
