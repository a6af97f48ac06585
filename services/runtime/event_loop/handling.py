"""One event: decode, call the handler, encode what it returns, or say why that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from services.kernel.errors import InvalidInput
from services.runtime import span_names, tracing
from services.runtime.claim_check import redeem_letter
from services.runtime.dead_letters import Cause, DeadLetter, describe
from services.runtime.deadline import within
from services.runtime.event_log.ports import NewRecord, Record
from services.runtime.event_loop.position import at
from services.runtime.event_loop.subscription import Platform, Subscription
from services.runtime.events import TRACEPARENT, EventWriter, Output, Tombstone, identify
from services.runtime.topics import DEAD


class Handling:
    """What one subscription does with a record."""

    def __init__(self, subscription: Subscription, platform: Platform) -> None:
        self._subscription = subscription
        self._platform = platform
        system = platform.log.system
        self._writer = EventWriter(
            platform.topics, producer=platform.producer, system=system, claims=platform.claims
        )
        self._spec = platform.topics[subscription.topic.removesuffix(DEAD)]
        self._named = span_names.processing(system, subscription.topic, subscription.group)
        self.of_dead_letters = subscription.topic.endswith(DEAD)

    def __call__(self, record: Record) -> list[NewRecord]:
        """Return the records to publish; whatever is raised is the event's fate."""
        context = tracing.begin(record.headers.get(TRACEPARENT), self._platform.tracer)
        span = self._span(context, record) if context.recording else None
        token = tracing.enter(context)
        try:
            outputs = self._handled(record)
        except Exception as error:
            if span is not None:
                name, reason, *_ = describe(error)
                span.end(name, {span_names.REASON: reason})
            raise
        else:
            if span is not None:
                span.end()
            return outputs
        finally:
            tracing.restore(token)

    def _handled(self, record: Record) -> list[NewRecord]:
        with within(self._subscription.timeout_s), at(record.position):
            returned = self._subscription.handler(self._decode(record))
        cause_id = identify(record.headers, *record.position)
        return [self._writer.record(output, cause_id=cause_id) for output in _listed(returned)]

    def _span(self, context: tracing.TraceContext, record: Record) -> tracing.OpenSpan:
        """Return the span of this attempt: part of the producer's trace, and linked to the producer.

        A span is of one event even where many were read together, so both are true: docs/decisions/0009.
        """
        name, attributes = self._named
        about = {
            **attributes,
            span_names.PARTITION: str(record.position.partition),
            span_names.OFFSET: record.position.offset,
            span_names.MESSAGE_ID: identify(record.headers, *record.position),
        }
        producer = context.parent
        links = () if producer is None else (producer,)
        return tracing.OpenSpan(name, context, "consumer", about, links)

    def dead_letter(self, record: Record, error: Exception, attempts: int, first_seen_s: float) -> NewRecord:
        """Return the record that keeps the event and the reason."""
        name, reason, message, field = describe(error)
        cause = Cause(
            error_class=name,
            reason=reason,
            message=message,
            field=field,
            attempts=attempts,
            service=self._platform.service,
            version=self._platform.version,
            first_seen_s=first_seen_s,
            last_seen_s=self._platform.clock.now_s(),
        )
        return DeadLetter(record.position, record.key, record.value, record.headers, cause).to_record()

    def _decode(self, record: Record) -> Any:
        if self.of_dead_letters:
            return DeadLetter.of_record(redeem_letter(self._platform.claims, record))
        message = self._spec.decode(self._platform.claims.redeem(record))
        if message is None:
            raise InvalidInput("the event has no value, and its handler needs one", reason="NO_VALUE")
        return message


def _listed(returned: Output | Sequence[Output] | None) -> Sequence[Output]:
    if returned is None:
        return ()
    if isinstance(returned, Message | Tombstone):
        return (returned,)
    return returned
