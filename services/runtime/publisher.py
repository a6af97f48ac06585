"""Publishing without a handler: what use cases announce."""

from __future__ import annotations

from collections.abc import Sequence

from services.kernel.errors import FoveaError
from services.runtime.event_log.ports import EventLog, Position
from services.runtime.events import EventWriter, Output, sent


class Publisher:
    """Publishes messages under the topics, keys and headers that the table gives them."""

    def __init__(self, log: EventLog, writer: EventWriter) -> None:
        self._log = log
        self._writer = writer

    def publish(self, *outputs: Output, event_ids: Sequence[str] = ()) -> Sequence[Position]:
        """Return where the events stand, once all are durable. Raises Unavailable.

        Args:
            outputs: Messages and deletions, in order.
            event_ids: One for each, for callers who wait for what comes of them (`cause-id`).
        """
        ids = event_ids or [""] * len(outputs)
        records = [
            self._writer.record(output, own_id=own_id) for output, own_id in zip(outputs, ids, strict=True)
        ]
        try:
            positions = self._log.publish(records)
        except FoveaError as error:
            sent(records, type(error).__name__)
            raise
        sent(records)
        return positions
