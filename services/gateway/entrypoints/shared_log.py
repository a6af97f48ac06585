"""Whether this gateway shares an event log with the other services."""

from __future__ import annotations

from services.kernel.errors import Unsupported


class SharedLog:
    """Asked by every call that needs the other services to read what the gateway publishes."""

    def __init__(self, *, available: bool) -> None:
        self._available = available

    def require(self) -> None:
        """Do nothing if there is one. Raises Unsupported, naming what to run instead."""
        if not self._available:
            raise Unsupported(
                "this gateway runs alone and shares no event log with the other services, so it neither "
                "takes submissions nor changes the memory; run `fovea serve` "
                "(python -m services.allinone) instead",
                reason="NO_SHARED_EVENT_LOG",
            )
