"""JSON log lines on stderr, each with the trace it belongs to; no secret and no image ever gets into one."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from numbers import Number
from typing import Any, Final

from services.runtime import tracing

_MOST_CHARACTERS: Final = 8192
_MOST_VALUE_CHARACTERS: Final = 1024
_SECRET: Final = re.compile(
    r"secret|token|passw|credential|authori[sz]ation|api_?key|private_?key", re.IGNORECASE
)
_BINARY: Final = (bytes, bytearray, memoryview)
_OWN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, service, logger, message, trace ids, extra fields, error."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without the line break."""
        line: dict[str, Any] = {
            "time": _utc(record.created),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": _message(record),
            **_trace(),
            **{key: _safe(key, value) for key, value in _extra(record).items()},
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = "".join(traceback.format_exception(*record.exc_info))[-_MOST_CHARACTERS:]
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(service: str, level: str = "INFO", *, stream: io.TextIOBase | None = None) -> None:
    """Send all logging of this process to `stream` (stderr) as JSON; called once, by the process."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _trace() -> dict[str, str]:
    context = tracing.current()
    return {} if context is None else {"trace_id": context.trace_id, "span_id": context.span_id}


def _message(record: logging.LogRecord) -> str:
    """Return the message with its arguments, binary ones as their size; a bad format string is no error."""
    arguments = record.args
    if isinstance(arguments, Mapping):
        arguments = {key: _safe(str(key), value) for key, value in arguments.items()}
    elif arguments:
        arguments = tuple(_safe("", value) for value in arguments)
    try:
        text = str(record.msg) % arguments if arguments else str(record.msg)
    except (TypeError, ValueError, KeyError):
        text = f"{record.msg} {arguments}"
    return text[:_MOST_CHARACTERS]


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _OWN_FIELDS}


def _safe(key: str, value: Any) -> Any:
    """Return what may be written of a value: nothing of a secret, only the size of binary data."""
    if _SECRET.search(key):
        return "[redacted]"
    if isinstance(value, _BINARY):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        return {str(inner): _safe(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_safe("", item) for item in value]
    if value is None or isinstance(value, Number):
        return value
    return str(value)[:_MOST_VALUE_CHARACTERS]
