"""Records as they end, for as long as one cares to listen, whatever happens to the connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import grpc

from fovea.client.connection import Connection, worth_another_try
from fovea.client.errors import FoveaError, Unavailable
from fovea.client.reading import read_recognition
from fovea.client.results import Recognition
from fovea.gateway.v1 import gateway_pb2

_STEADY_S: Final = 5.0  # a connection that lived this long had been a good one


class Watch:
    """Follows one stream of records; after a disconnect it goes on behind the last one it saw."""

    def __init__(
        self, connection: Connection, start: Any, request: gateway_pb2.WatchRecognitionsRequest
    ) -> None:
        self._connection = connection
        self._start = start
        self._request = request

    def run(self) -> Iterator[Recognition]:
        """Yield records until the caller stops. Raises FoveaError when the server stays away."""
        pauses = self._connection.patience.pauses()
        while True:
            began, token = time.monotonic(), self._request.resume_token
            try:
                yield from self._follow()
            except FoveaError as error:
                if self._request.resume_token != token or time.monotonic() - began > _STEADY_S:
                    pauses = self._connection.patience.pauses()
                pause_s = next(pauses, None)
                if pause_s is None or not worth_another_try(error):
                    raise
                time.sleep(max(pause_s, error.retry_after_s))

    def _follow(self) -> Iterator[Recognition]:
        """Yield the records of one connection; it always ends with an error."""
        call = self._start(self._request)
        try:
            for answer in call:
                self._request.resume_token = answer.resume_token or self._request.resume_token
                if answer.HasField("recognition"):
                    yield read_recognition(answer.recognition, resume_token=answer.resume_token)
        except grpc.RpcError as failed:
            raise self._connection.translate(failed) from failed
        finally:
            call.cancel()
        raise Unavailable("the server ended the stream")
