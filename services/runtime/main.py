"""What every `__main__` ends with: run until a signal says stop, then leave with a telling exit code.

0  ended because it was told to
1  could not start, or could not go on
2  the settings are wrong
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import threadpoolctl

from services.kernel.errors import FoveaError
from services.runtime.process import Doors, Process
from services.runtime.settings import ProcessSettings, SettingsError, misspelt
from services.runtime.telemetry import configure

_LOG = logging.getLogger(__name__)
_HANGING_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.1
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def start_logging(name: str, settings: ProcessSettings) -> None:
    """Log as JSON from here on, and warn of variables that nothing reads; the first thing a process does."""
    configure(name, settings.log_level)
    # Kafka's client tells of every connection; of every byte it sends at DEBUG, passwords among them.
    logging.getLogger("kafka").setLevel(logging.INFO if settings.log_level == "DEBUG" else logging.WARNING)
    for variable, meant in misspelt(type(settings).model_fields).items():
        _LOG.warning("%s is set, but nothing reads it; is %s meant?", variable, meant)


def run(process: Process, settings: ProcessSettings) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal shortens the drain.

    Raises:
        OSError: A port or socket cannot be had.
    """
    threadpoolctl.threadpool_limits(1)  # spinning threads of numeric libraries burn more than they give
    stop, hurry = _events_of_signals()
    doors = process.start()
    _LOG.info("listening", extra=asdict(doors))
    threading.Thread(target=_announce, args=(process, doors, settings), daemon=True).start()
    while not stop.wait(_LOOK_EVERY_S):
        pass  # a signal that another thread received is only handled when this one wakes
    _LOG.info("draining")
    clean = process.drain(hurry)
    if settings.ready_file is not None:
        settings.ready_file.unlink(missing_ok=True)
    _LOG.info("drained" if clean else "drained, but not all ended in time")


def exit_code_of(main: Callable[[], None]) -> int:
    """Run a program and return its exit code; what went wrong is said in one line a person can use."""
    code = _code(main)
    hanging = threading.Timer(_HANGING_S, os._exit, (code,))
    hanging.daemon = True  # a thread that never ends must not keep the process from ending
    hanging.start()
    return code


def _code(main: Callable[[], None]) -> int:
    try:
        main()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201  (logging may not be set up yet)
        return 2
    except (FoveaError, OSError) as error:
        _LOG.critical("cannot run: %s", error)
        return 1
    except Exception:  # noqa: BLE001  (logged)
        _LOG.critical("cannot run", exc_info=True)
        return 1
    return 0


def _events_of_signals() -> tuple[threading.Event, threading.Event]:
    """Return two events, set by the first and by the second signal; they hold until the process ends."""
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    return stop, hurry


def _announce(process: Process, doors: Doors, settings: ProcessSettings) -> None:
    """Say that all is ready, in the log and in a file for whoever started the process."""
    process.wait_until_ready()
    _LOG.info("ready", extra=asdict(doors))
    if settings.ready_file is not None:
        _write_whole(settings.ready_file, json.dumps({**asdict(doors), "pid": os.getpid()}))


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)
