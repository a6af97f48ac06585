"""Waits for what happens by itself, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, timeout_s: float = 30.0) -> T:
    """Return the first thing that `look` finds; fail if it finds nothing in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def unless_missing(look: Callable[[], T]) -> T | None:
    """Return None where the server says NOT_FOUND."""
    try:
        return look()
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise
