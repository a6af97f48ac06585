"""What surrounds every gRPC call on the server, in one interceptor: built once a method, lean for each call.

Limit and trace are opened, the message is decoded (on a worker, not on the thread that all calls share), the
method runs, its answer is encoded, and whatever it raised becomes a status with details. Health checks and
reflection are left alone: they need no deadline and are answered even when everything else is full.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import grpc

from services.kernel.errors import Corrupt, DeadlineExceeded, FoveaError, InvalidInput
from services.runtime import deadline, span_names, tracing
from services.runtime.call_pool import CallPool
from services.runtime.grpc_errors import status_code, to_status
from services.runtime.grpc_gate import Gate, Stream, decoded, draining, full, starting
from services.runtime.metrics import MethodMetrics

_LOG = logging.getLogger(__name__)
_NO_DEADLINE_S: Final = 1e9  # gRPC says "none" with a time beyond the age of the universe

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps each method once, and decides for each call whether it is let in."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._methods: dict[str, Method] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler for this call; runs on the thread that all calls share, so it is brief."""
        name = handler_call_details.method
        method = self._methods.get(name)
        if method is None:
            handler = continuation(handler_call_details)
            if handler is None or name.split("/")[1] not in self._gate.lanes:
                return handler
            method = self._methods[name] = Method(name, handler, self._gate)
        return method.admit()


class Method:
    """One method of one service, with everything that surrounds its behaviour."""

    def __init__(self, name: str, handler: grpc.RpcMethodHandler[Any, Any], gate: Gate) -> None:
        _, self._service, short = name.split("/")
        self._span_name, self._attributes = span_names.rpc(name)
        self._tracer = gate.tracers.get(self._service)
        self._gate = gate
        self._decode = handler.request_deserializer or bytes
        self._encode = handler.response_serializer or bytes
        self._behaviour: Behaviour = _behaviour(handler)
        self._takes_stream = handler.request_streaming
        self._gives_stream = handler.response_streaming
        self._measures = MethodMetrics(gate.metrics, self._service, short)
        lane = gate.lanes[self._service]
        streaming = self._takes_stream or self._gives_stream
        self._pool = lane.streams if streaming else lane.unary
        self._turns = lane.turns
        self._handler = self._on_pool(self._pool, self._streamed if self._gives_stream else self._single)
        self._starting = self._refusal(starting, "starting")
        self._full = self._refusal(full, "full")
        self._draining = self._refusal(draining, "draining")

    def admit(self) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler that works on the call, or one that refuses it at once."""
        self._gate.arrived_s = time.monotonic()
        if self._service not in self._gate.open:
            return self._starting
        if self._gate.draining.is_set():
            return self._draining
        if self._pool.full:
            return self._full
        return self._handler

    def _on_pool(self, pool: CallPool, behaviour: Behaviour) -> grpc.RpcMethodHandler[Any, Any]:
        def on_pool(argument: Any, context: grpc.ServicerContext) -> Any:
            return behaviour(argument, context)

        on_pool.experimental_thread_pool = pool  # type: ignore[attr-defined]  # gRPC's own way to choose
        # Also where one message comes: gRPC would wait for it before anything else, and without an end.
        if self._gives_stream:
            return grpc.stream_stream_rpc_method_handler(on_pool)
        return grpc.stream_unary_rpc_method_handler(on_pool)

    def _refusal(self, error: Callable[[], FoveaError], reason: str) -> grpc.RpcMethodHandler[Any, Any]:
        shed = self._gate.metrics.shed.labels(self._service, reason)

        def refuse(_: Any, context: grpc.ServicerContext) -> Any:
            shed.inc()
            refused = error()
            self._measures.ended(status_code(refused), 0.0)
            context.abort_with_status(to_status(refused))

        return self._on_pool(self._gate.refusals, refuse)

    def _single(self, argument: Any, context: grpc.ServicerContext) -> bytes:
        """Run a method that gives one answer."""
        started = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            self._enter(context)
            if self._takes_stream:
                with Stream(argument, self._decode, self._gate) as requests:
                    answer = self._encode(self._behaviour(requests, context))
                    requests.raise_if_cut()
            else:
                request = self._message(argument, context)
                with self._turn():
                    answer = self._encode(self._behaviour(decoded(self._decode, request), context))
            self._measures.given(len(answer))
        except Exception as error:
            code = _code(context, error)
            _abort(context, error)
            raise
        else:
            code = _code_of_success()
            return answer
        finally:
            self._leave(code, started)

    def _streamed(self, argument: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Run a method that gives a stream of answers."""
        started = time.perf_counter()
        code = grpc.StatusCode.CANCELLED
        try:
            self._enter(context)
            if self._takes_stream:
                yield from self._exchange(argument, context)
            else:
                request = self._message(argument, context)
                for answer in self._behaviour(decoded(self._decode, request), context):
                    yield self._encode(answer)
            code = grpc.StatusCode.OK
        except Exception as error:
            code = _code(context, error)
            _abort(context, error)
            raise
        finally:
            self._leave(code, started)

    def _message(self, argument: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        """Return the one message of a call, when it has come."""
        with self._gate.slow.waited_for(context):
            message = next(argument, None)
        if message is None:
            raise InvalidInput("the call has no message", reason="MALFORMED_MESSAGE")
        self._measures.taken(len(message))
        return message

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until it is this call's turn."""
        if not self._turns.acquire(timeout=deadline.remaining_s()):
            raise DeadlineExceeded("the call's time was up before its turn came")
        try:
            deadline.check()  # nobody may wait for it any more
            yield
        finally:
            self._turns.release()

    def _exchange(self, argument: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        with Stream(argument, self._decode, self._gate) as requests:
            for answer in self._behaviour(requests, context):
                yield self._encode(answer)
                requests.answered += 1  # later than sent: gRPC asks for the next when this one has left
            requests.raise_if_cut()

    def _enter(self, context: grpc.ServicerContext) -> None:
        """Open limit and trace. gRPC runs each call in a context of its own, so nothing is put back."""
        self._gate.enter(context)
        tracing.enter(tracing.begin(_traceparent(context), self._tracer))
        left_s = context.time_remaining()
        unlimited = left_s is None or left_s > _NO_DEADLINE_S
        end = None if unlimited else time.monotonic() + left_s
        deadline.enter(deadline.Limit(end, partial(_raise_if_gone, context), self._gate.raise_if_draining))
        if self._takes_stream or self._gives_stream:
            return
        if unlimited:
            raise InvalidInput(
                "the call has no deadline; set one (the timeout argument of a stub)",
                reason="DEADLINE_REQUIRED",
            )
        self._measures.deadline_remaining(left_s)
        deadline.check()

    def _leave(self, code: grpc.StatusCode, started: float) -> None:
        seconds = time.perf_counter() - started
        self._measures.ended(code, seconds)
        if self._tracer is not None:
            self._record(self._tracer, code, seconds)

    def _record(self, tracer: tracing.Tracer, code: grpc.StatusCode, seconds: float) -> None:
        """Give the call's span away if its trace is sampled."""
        context = tracing.current()
        if context is None or not context.sampled:
            return
        end_ns = time.time_ns()
        error = code.name if code.name in span_names.SERVER_FAULTS else ""
        attributes = {**self._attributes, span_names.RPC_STATUS: code.name}
        if error:
            attributes[tracing.ERROR_TYPE] = error
        tracer.take(
            tracing.Span(
                name=self._span_name,
                context=context,
                start_ns=end_ns - int(seconds * 1e9),
                end_ns=end_ns,
                kind="server",
                error=error,
                attributes=attributes,
            )
        )


def _behaviour(handler: grpc.RpcMethodHandler[Any, Any]) -> Behaviour:
    behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    assert behaviour is not None, "a handler has one behaviour"  # noqa: S101  (gRPC's own promise)
    return behaviour


def _traceparent(context: grpc.ServicerContext) -> str | None:
    for key, value in context.invocation_metadata():
        if key == tracing.HEADER:
            return str(value)
    return None


def _raise_if_gone(context: grpc.ServicerContext) -> None:
    if not context.is_active():
        raise DeadlineExceeded("the caller cancelled", reason="CANCELLED")


def _code_of_success() -> grpc.StatusCode:
    """Return OK, unless the answer comes too late for the caller to see it."""
    return grpc.StatusCode.DEADLINE_EXCEEDED if deadline.remaining_s() == 0 else grpc.StatusCode.OK


def _code(context: grpc.ServicerContext, error: Exception) -> grpc.StatusCode:
    """Return how the call ends, and log what an operator must see."""
    given = _given(context)
    if given is not None:
        return given
    if not context.is_active():
        late = deadline.remaining_s() == 0
        return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
    if not isinstance(error, FoveaError):
        _LOG.error("a call failed unexpectedly", exc_info=error)
    elif isinstance(error, Corrupt):
        _LOG.error("stored data is corrupt: %s", error.message, extra={"reason": error.reason})
    return status_code(error)


def _abort(context: grpc.ServicerContext, error: Exception) -> None:
    """Give the call its status; raises, unless the method has done so itself."""
    if _given(context) is not None:
        return
    if not context.is_active():
        context.abort(grpc.StatusCode.CANCELLED, "nobody waits for the answer any more")
    trace = tracing.current()
    context.abort_with_status(to_status(error, trace_id=trace.trace_id if trace else ""))


def _given(context: grpc.ServicerContext) -> grpc.StatusCode | None:
    """Return the code that the method has set itself."""
    code: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined]  # the stubs lack it
    return code
