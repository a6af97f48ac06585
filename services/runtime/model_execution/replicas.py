"""The servers that have the same models: one is asked, until it does not answer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from tritonclient.grpc import InferenceServerClient

_CHANNEL: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that is back is used within a second; the default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class Replicas:
    """Connections to the servers, one at a time; needs none of them to be there.

    Args:
        address: Host and port of each, with commas between them; `grpcs://` before the first encrypts.
        ca_file: PEM of who vouches for them; without it, those that gRPC ships.
    """

    def __init__(self, address: str, ca_file: Path | None) -> None:
        self._scheme, _, addresses = address.rpartition("://")
        self._addresses = addresses.split(",")
        self._ca_file = ca_file
        self._turn = 0
        self._lock = threading.Lock()
        self._client = self._connected()

    @property
    def count(self) -> int:
        """How many servers there are."""
        return len(self._addresses)

    @property
    def client(self) -> InferenceServerClient:
        """The connection to the one that is asked now."""
        return self._client

    def leave(self, client: InferenceServerClient) -> None:
        """Ask the next one from now on, over a new connection, unless another caller has left this one.

        Whoever still waits on the old connection keeps it until then.
        """
        with self._lock:
            if client is self._client:
                self._turn += 1
                self._client = self._connected()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _connected(self) -> InferenceServerClient:
        return InferenceServerClient(
            self._addresses[self._turn % self.count],
            ssl=self._scheme == "grpcs",
            root_certificates=self._ca_file,
            channel_args=_CHANNEL,
        )
