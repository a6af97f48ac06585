"""Asks every service again and again whether it is ready, and says when that changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from services.runtime.assembly import Assembly

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.5
_FIRST_LOOKS_EVERY_S = 0.02
_STOPPING = "the process shuts down"

OnChange = Callable[[Assembly, bool], None]


class Readiness:
    """Watches the checks of some services on a thread of its own.

    Args:
        assemblies: Whose checks are asked.
        on_change: Told about a service when it becomes ready, and when it is not any more.
    """

    def __init__(self, assemblies: Sequence[Assembly], on_change: OnChange) -> None:
        self._assemblies = assemblies
        self._on_change = on_change
        self._unready: dict[str, str] = {assembly.name: "not looked yet" for assembly in assemblies}
        self._stop = threading.Event()
        self._all_ready = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="readiness", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def unready(self) -> Mapping[str, str]:
        """Return, for each service that is not ready, the reason."""
        return dict(self._unready)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all were ready at once, and say whether they were."""
        return self._all_ready.wait(timeout_s)

    def close(self) -> None:
        """Look no more; from now on nothing is ready."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._unready = {assembly.name: _STOPPING for assembly in self._assemblies}

    def _watch(self) -> None:
        while not self._stop.is_set():
            for assembly in self._assemblies:
                self._look(assembly)
            if not self._unready:
                self._all_ready.set()
            self._stop.wait(_LOOK_EVERY_S if self._all_ready.is_set() else _FIRST_LOOKS_EVERY_S)

    def _look(self, assembly: Assembly) -> None:
        reason = _reason(assembly)
        before = self._unready.get(assembly.name)
        if reason is None and before is not None:
            self._on_change(assembly, True)  # noqa: FBT003  (a callback's only argument of its kind)
            del self._unready[assembly.name]
            _LOG.info("%s is ready", assembly.name)
        elif reason is not None:
            if before is None:
                self._on_change(assembly, False)  # noqa: FBT003
            if reason != before:
                _LOG.warning("%s is not ready: %s", assembly.name, reason)
            self._unready[assembly.name] = reason


def _reason(assembly: Assembly) -> str | None:
    """Return why the service is not ready, or None if it is."""
    for name, check in assembly.checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001  (whatever a check raises means that it is not ready)
            return f"{name}: {error}"
    return None
