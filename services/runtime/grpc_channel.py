"""The client side of a call from service to service: what is left of the time goes along, errors come back.

A channel made here is used by generated stubs like any other. It passes on the deadline and the trace of
the current call and raises kernel errors instead of `grpc.RpcError`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.kernel.errors import DeadlineExceeded, FoveaError, InvalidInput, Unavailable
from services.kernel.limits import LIMITS
from services.runtime import span_names, tracing
from services.runtime.deadline import remaining_s
from services.runtime.grpc_errors import from_rpc_error

_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_metadata_size", 16_384),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
_BALANCING: Final[dict[str, object]] = {
    "loadBalancingConfig": [{"round_robin": {}}]
}  # over all addresses that answer
_RETRY_POLICY: Final = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    # A server that ends cancels calls that arrive at that moment, before it has looked at them.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
_RETRY_BUDGET: Final = {"maxTokens": 100, "tokenRatio": 0.1}  # retries end when one call in ten fails


def open_channel(
    target: str,
    *,
    idempotent: Sequence[str] = (),
    timeout_s: float = 30.0,
    message_bytes: int = LIMITS.message_bytes,
) -> Channel:
    """Return a channel; it connects when it is first used.

    Args:
        target: `host:port`, `unix:/path`, or replicas that share the calls: `10.0.0.1:8501,10.0.0.2:8501`, or
            `dns:///name:port` for all addresses of a name, as a headless service of Kubernetes has them.
        idempotent: Full names of services (`fovea.encoding.v1.EncodingService`) or of methods
            (`fovea.encoding.v1.EncodingService/Encode`) that may be tried again when UNAVAILABLE.
        timeout_s: Deadline of a unary call outside any call that has one.
        message_bytes: Largest message; the server's setting.

    Raises:
        InvalidInput: The target names several servers, and not by address.
    """
    options: list[tuple[str, Any]] = [
        *_OPTIONS,
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        ("grpc.per_rpc_retry_buffer_size", message_bytes),
        ("grpc.service_config", _service_config(address(target), idempotent)),
    ]
    return Channel(grpc.insecure_channel(address(target), options=options), timeout_s)


def address(target: str) -> str:
    """Return a target in gRPC's words, which has no list of names but one of addresses."""
    if "," not in target or target.startswith(("ipv4:", "ipv6:", "unix:", "dns:")):
        return target
    hosts = [each.rpartition(":")[0] for each in target.split(",")]
    try:
        (version,) = {ipaddress.ip_address(host.strip("[]")).version for host in hosts}
    except ValueError as error:
        raise InvalidInput(
            f"{target!r} names several servers: give each as a numeric address with a port, all of one kind, "
            "or one name that has all their addresses as dns:///name:port",
            reason="TARGET_INVALID",
        ) from error
    return f"ipv{version}:{target}"


def check_health(channel: Channel, service: str = "", *, timeout_s: float = 1.0) -> None:
    """Do nothing if the service says that it is serving.

    Raises:
        Unavailable: It is not, or cannot be reached.
    """
    request = health_pb2.HealthCheckRequest(service=service)
    try:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = stub.Check(request, timeout=timeout_s)
    except FoveaError as error:
        raise Unavailable(f"{service or 'the process'} does not answer health checks") from error
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
        raise Unavailable(f"{service or 'the process'} is {status}")


class Channel(grpc.Channel):
    """A gRPC channel that knows the current call. Close it to let its connection go."""

    def __init__(self, inner: grpc.Channel, timeout_s: float) -> None:
        self._inner = inner
        self._timeout_s = timeout_s

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return a callable for a method with one request and one answer."""
        return _Single(method, self._inner.unary_unary(method, *args, **kwargs), self._timeout_s)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return a callable for a method with a stream of requests and one answer."""
        return _Single(method, self._inner.stream_unary(method, *args, **kwargs), None)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return a callable for a method with one request and a stream of answers."""
        return _Streamed(method, self._inner.unary_stream(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return a callable for a method with streams both ways."""
        return _Streamed(method, self._inner.stream_stream(method, *args, **kwargs))

    def subscribe(
        self,
        callback: Callable[[grpc.ChannelConnectivity], None],
        try_to_connect: bool | None = None,  # noqa: FBT001  (gRPC's signature)
    ) -> None:
        """Call back when the connection's state changes."""
        self._inner.subscribe(callback, bool(try_to_connect))

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """Undo `subscribe`."""
        self._inner.unsubscribe(callback)

    def close(self) -> None:
        """Cancel what is in flight and close the connection."""
        self._inner.close()

    def __enter__(self) -> Channel:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Single:
    """Calls a method that gives one answer."""

    def __init__(self, method: str, inner: Any, timeout_s: float | None) -> None:
        self._name, self._attributes = span_names.rpc(method)
        self._inner = inner
        self._timeout_s = timeout_s

    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = None) -> Any:
        time_s = _timeout(timeout, self._timeout_s)
        span = tracing.open_span(self._name, "client", self._attributes)
        try:
            answer = self._inner(request, timeout=time_s, metadata=_traced(metadata, span))
        except grpc.RpcError as error:
            _end(span, error)
            _translate(error)
        _end(span)
        return answer


class _Streamed:
    """Calls a method that gives a stream of answers."""

    def __init__(self, method: str, inner: Any) -> None:
        self._name, self._attributes = span_names.rpc(method)
        self._inner = inner

    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = None) -> _Answers:
        time_s = _timeout(timeout, None)
        span = tracing.open_span(self._name, "client", self._attributes)
        return _Answers(self._inner(request, timeout=time_s, metadata=_traced(metadata, span)), span)


class _Answers:
    """A stream of answers; leaving the block that it opens cancels the call."""

    def __init__(self, call: Any, span: tracing.OpenSpan | None) -> None:
        self._call = call
        self._span = span

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except StopIteration:
            _end(self._span)
            raise
        except grpc.RpcError as error:
            _end(self._span, error)
            _translate(error)

    def cancel(self) -> None:
        """Tell the server that nobody listens any more."""
        self._call.cancel()
        _end(self._span)

    def __enter__(self) -> _Answers:  # noqa: PYI034  (beartype cannot check Self)
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()


def _end(span: tracing.OpenSpan | None, error: Any = None) -> None:
    """Record a call by how it ended."""
    if span is None:
        return
    code = grpc.StatusCode.OK if error is None else error.code()
    span.end("" if error is None else code.name, {span_names.RPC_STATUS: code.name})


def _translate(error: grpc.RpcError) -> NoReturn:
    raise from_rpc_error(error) from error


def _timeout(given: float | None, default: float | None) -> float | None:
    """Return the given time or the default, but never more than the current call has left."""
    left = remaining_s()
    if left is None:
        return default if given is None else given
    if left <= 0:
        raise DeadlineExceeded("the time that the caller gave is used up")
    return left if given is None else min(given, left)


def _traced(metadata: Any, span: tracing.OpenSpan | None) -> Any:
    context = tracing.current() if span is None else span.context
    if context is None:
        return metadata
    return (*(metadata or ()), (tracing.HEADER, context.traceparent))


def _service_config(target: str, idempotent: Sequence[str]) -> str:
    """Return what the channel is to do by itself; of replicas it asks only those that say they serve."""
    if not idempotent:
        return json.dumps(_BALANCING)
    service = idempotent[0].partition("/")[0]
    several = target.startswith(("ipv4:", "ipv6:", "dns:"))
    health = {"healthCheckConfig": {"serviceName": service}} if several else {}
    names = [
        {"service": service, "method": method} if method else {"service": service}
        for service, _, method in (name.partition("/") for name in idempotent)
    ]
    method_config = [{"name": names, "retryPolicy": _RETRY_POLICY}]
    retries = {"methodConfig": method_config, "retryThrottling": _RETRY_BUDGET}
    return json.dumps({**_BALANCING, **retries, **health})
