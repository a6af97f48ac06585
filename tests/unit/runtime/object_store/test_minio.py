"""What each answer of an S3 server means to the platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from pydantic import SecretStr

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)
from services.runtime.deadline import within
from services.runtime.object_store.minio import MinioSettings, MinioStore
from tests.fakes.s3 import Answer, FakeS3, serving


@contextmanager
def store_before(*answers: Answer) -> Iterator[tuple[MinioStore, FakeS3]]:
    with serving(*answers) as server:
        endpoint = f"http://127.0.0.1:{server.port}"
        settings = MinioSettings(endpoint, "bucket", "somebody", SecretStr("a-great-secret"), timeout_s=5.0)
        with closing(MinioStore(settings)) as store:
            yield store, server


CALLS: dict[str, Callable[[MinioStore], object]] = {
    "get": lambda store: store.get("a/b"),
    "put": lambda store: store.put("a/b", b"x"),
    "put_if_absent": lambda store: store.put_if_absent("a/b", b"x"),
    "list": lambda store: list(store.list("a/")),
    "delete": lambda store: store.delete("a/b"),
}
MEANING: list[tuple[int, str, type[FoveaError], str]] = [
    (503, "SlowDown", Overloaded, "STORE_BUSY"),
    (507, "XMinioStorageFull", Unavailable, "STORE_FULL"),
    (403, "AccessDenied", Unavailable, "STORE_REFUSED"),
    (403, "SignatureDoesNotMatch", Unavailable, "STORE_REFUSED"),
    (404, "NoSuchBucket", Unavailable, "UNAVAILABLE"),
    (500, "InternalError", Unavailable, "UNAVAILABLE"),
    (503, "XMinioServerNotInitialized", Unavailable, "UNAVAILABLE"),
    (413, "EntityTooLarge", InvalidInput, "OBJECT_REFUSED"),
]


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize(("status", "code", "kind", "reason"), MEANING)
def test_an_error_of_the_server_is_one_of_ours(
    call: str, status: int, code: str, kind: type[FoveaError], reason: str
) -> None:
    with store_before(Answer.error(status, code)) as (store, _), pytest.raises(kind) as caught:
        CALLS[call](store)

    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert code in str(caught.value)


@pytest.mark.parametrize("call", list(CALLS))
def test_a_page_of_a_proxy_is_no_answer(call: str) -> None:
    page = Answer(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"})
    with store_before(page) as (store, _), pytest.raises(Unavailable):
        CALLS[call](store)


def test_what_is_not_there_is_not_found() -> None:
    with store_before(Answer.error(404, "NoSuchKey")) as (store, _), pytest.raises(NotFound, match="a/b"):
        store.get("a/b")


def test_an_object_that_ends_early_is_not_given_out() -> None:
    with store_before(Answer(200, b"half", promised=8)) as (store, _), pytest.raises(Unavailable):
        store.get("a/b")


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_condition_that_does_not_hold_means_that_another_was_first(code: str) -> None:
    with store_before(Answer.error(412, code)) as (store, server):
        assert store.put_if_absent("a/b", b"x") is False

    ((_, headers),) = server.requests
    assert headers["If-None-Match"] == "*"


def test_a_broken_connection_is_tried_once_more() -> None:
    with store_before(Answer(hang_up=True), Answer(200, b"data")) as (store, server):
        assert store.get("a/b") == b"data"
        assert len(server.requests) == 2


def test_a_conditional_put_is_never_sent_twice() -> None:
    with store_before(Answer(hang_up=True), Answer(200)) as (store, server):
        with pytest.raises(Unavailable):
            store.put_if_absent("a/b", b"x")
        assert len(server.requests) == 1


def test_an_unconditional_put_replaces_whatever_there_is() -> None:
    with store_before(Answer(200)) as (store, server):
        store.put("a/b", b"x")

    ((_, headers),) = server.requests
    assert "If-None-Match" not in headers


def test_nothing_is_sent_for_a_caller_whose_time_is_used_up() -> None:
    with store_before(Answer(200, b"x")) as (store, server):
        with within(0.0), pytest.raises(DeadlineExceeded):
            store.get("a/b")
        assert server.requests == []


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "ftp://host"])
def test_an_endpoint_is_a_url(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="URL"):
        MinioStore(MinioSettings(endpoint, "bucket", "somebody", SecretStr("x")))
