from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import (
    Conflict,
    Corrupt,
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
    Unsupported,
)
from services.runtime.grpc_errors import MOST_MESSAGE_BYTES, from_rpc_error, status_code, to_status

CODES = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Corrupt: grpc.StatusCode.DATA_LOSS,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
reasons = st.from_regex(r"[A-Z][A-Z_]{0,40}", fullmatch=True)


class FailedCall(grpc.RpcError):
    """What a client sees of a status."""

    def __init__(
        self, code: grpc.StatusCode, details: str, trailers: Sequence[tuple[str, Any]] | None = ()
    ) -> None:
        self._code = code
        self._details = details
        self._trailers = trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._trailers


def sent(error: BaseException, trace_id: str = "") -> FailedCall:
    status = to_status(error, trace_id=trace_id)
    return FailedCall(status.code, status.details, tuple(status.trailing_metadata or ()))


@given(
    kind=st.sampled_from(sorted(CODES, key=repr)), message=texts, field=st.just("") | texts, reason=reasons
)
def test_every_kind_comes_back_as_it_went(
    kind: type[FoveaError], message: str, field: str, reason: str
) -> None:
    back = from_rpc_error(sent(kind(message, field=field, reason=reason)))

    assert type(back) is kind
    assert (back.message, back.field, back.reason) == (message, field, reason)


@given(st.floats(min_value=0.001, max_value=3600))
def test_an_overloaded_server_says_when_to_come_back(seconds: float) -> None:
    back = from_rpc_error(sent(Overloaded("full", retry_after_s=seconds)))

    assert isinstance(back, Overloaded)
    assert back.retry_after_s == pytest.approx(seconds, abs=1e-8)


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0, 1e30])
def test_an_impossible_waiting_time_becomes_a_possible_one(seconds: float) -> None:
    back = from_rpc_error(sent(Overloaded("full", retry_after_s=seconds)))

    assert isinstance(back, Overloaded)
    assert 0 < back.retry_after_s <= 3600


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_kind_has_its_code(kind: type[FoveaError], code: grpc.StatusCode) -> None:
    assert status_code(kind("...")) is code


def test_a_conflict_over_something_that_exists_says_so() -> None:
    error = Conflict("there is one", reason="COLLECTION_EXISTS")

    assert status_code(error) is grpc.StatusCode.ALREADY_EXISTS
    assert isinstance(from_rpc_error(sent(error)), Conflict)


@pytest.mark.parametrize("error", [ValueError("secret path /home"), KeyError("x"), FoveaError("x")])
def test_anything_else_is_internal(error: Exception) -> None:
    assert status_code(error) is grpc.StatusCode.INTERNAL


def test_a_caller_learns_nothing_of_an_unexpected_error_but_its_trace() -> None:
    failed = sent(ValueError("secret path /home"), trace_id="abc123")

    assert "secret" not in failed.details() + repr(failed.trailing_metadata())
    assert "abc123" in failed.details()
    assert from_rpc_error(failed).reason == "INTERNAL"


@given(st.text(min_size=MOST_MESSAGE_BYTES), texts)
def test_a_status_always_fits_into_the_trailers(message: str, field: str) -> None:
    failed = sent(InvalidInput(message, field=field * 20))

    percent_encoded = 3 * len(failed.details().encode())
    base64 = sum(len(value) for _, value in failed.trailing_metadata() or ()) * 4 // 3
    assert percent_encoded + base64 < 8000


def test_a_message_with_half_a_character_is_still_sent() -> None:
    assert "?" in from_rpc_error(sent(InvalidInput("label \ud800"))).message


@pytest.mark.parametrize("direction", ["Received", "Sent"])
def test_a_message_over_the_size_limit_is_the_callers_fault_and_not_tried_again(direction: str) -> None:
    text = f"SERVER: {direction} message larger than max (5 vs. 4)"

    back = from_rpc_error(FailedCall(grpc.StatusCode.RESOURCE_EXHAUSTED, text))

    assert isinstance(back, InvalidInput)
    assert back.reason == "MESSAGE_TOO_LARGE"
    assert "5 vs. 4" in back.message


@pytest.mark.parametrize("trailers", [(), None, [("grpc-status-details-bin", b"\xff\xff")]])
def test_a_status_without_our_details_still_has_its_kind(trailers: Sequence[tuple[str, Any]] | None) -> None:
    back = from_rpc_error(FailedCall(grpc.StatusCode.UNAVAILABLE, "connection refused", trailers))

    assert isinstance(back, Unavailable)
    assert (back.message, back.reason) == ("connection refused", "UNAVAILABLE")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_gives_an_error(code: grpc.StatusCode) -> None:
    assert from_rpc_error(FailedCall(code, "")).message
    if code not in CODES.values():
        assert from_rpc_error(FailedCall(code, "")).reason == code.name
