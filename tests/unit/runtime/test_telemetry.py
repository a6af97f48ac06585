from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import tracing
from services.runtime.telemetry import JsonFormatter, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    configure("encoding", "debug", stream=text)
    yield text
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_when_where_and_what(stream: io.StringIO) -> None:
    logging.getLogger("services.here").warning("lost %d of %s", 2, "ten", extra={"topic": "images"})

    (line,) = lines(stream)
    assert line["time"].endswith("Z")
    assert {"level": "WARNING", "service": "encoding", "logger": "services.here"}.items() <= line.items()
    assert line["message"] == "lost 2 of ten"
    assert line["topic"] == "images"


def test_a_line_names_the_trace_it_belongs_to(stream: io.StringIO) -> None:
    context = tracing.begin(None)
    token = tracing.enter(context)
    logging.getLogger().info("inside")
    tracing.restore(token)
    logging.getLogger().info("outside")

    inside, outside = lines(stream)
    assert (inside["trace_id"], inside["span_id"]) == (context.trace_id, context.span_id)
    assert "trace_id" not in outside


def test_an_error_comes_with_its_traceback_on_one_line(stream: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        logging.getLogger().exception("failed")

    (line,) = lines(stream)
    assert "ValueError: invalid literal" in line["error"]
    assert "test_telemetry.py" in line["error"]


def test_no_image_gets_into_a_line(stream: io.StringIO) -> None:
    image = b"\x89PNG" * 1000
    log = logging.getLogger()
    log.info("got %s", image, extra={"image": image, "nested": {"more": [image]}})
    log.info("got %(picture)s", {"picture": image})

    assert "PNG" not in stream.getvalue()
    assert "[4000 bytes]" in lines(stream)[0]["message"]


def test_no_secret_gets_into_a_line(stream: io.StringIO) -> None:
    secrets = {"api_key": "hunter2", "Authorization": "hunter2", "deep": {"s3_secret": "hunter2"}}
    logging.getLogger().info("settings %(password)s", {"password": "hunter2"}, extra=secrets)

    assert "hunter2" not in stream.getvalue()


def test_an_array_is_cut_short(stream: io.StringIO) -> None:
    logging.getLogger().info("array", extra={"values": np.zeros((1000, 1000))})

    assert len(stream.getvalue()) < 3000


@pytest.mark.parametrize(
    ("message", "argument", "written"),
    [("only %d", "text", "only %d ('text',)"), ("took %.1f s", np.float32(1.5), "took 1.5 s")],
)
def test_an_argument_is_written_in_any_case(message: str, argument: object, written: str) -> None:
    record = logging.makeLogRecord({"msg": message, "args": (argument,)})

    assert json.loads(JsonFormatter("any").format(record))["message"] == written


@given(st.text(), st.text())
def test_every_message_is_one_line_of_json(message: str, value: str) -> None:
    record = logging.makeLogRecord({"msg": message, "args": (), "value": value})

    line = JsonFormatter("any").format(record)

    assert "\n" not in line
    assert json.loads(line)["message"] == message[:8192]
