from __future__ import annotations

import socket
import threading
import time

import pytest

from services.kernel.errors import Unavailable
from services.runtime.event_log.kafka.log import _Asking
from services.runtime.event_log.kafka.options import KafkaOptions
from services.runtime.event_log.ports import TopicPartition
from tests.e2e.waiting import eventually


def test_a_log_closes_while_somebody_asks_a_broker_that_does_not_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        asking = _Asking(servers, KafkaOptions(connect_s=5.0, request_s=5.0))
        errors: list[Exception] = []

        def ask() -> None:
            try:
                asking.ends([TopicPartition("images.submitted", 0)])
            except Unavailable as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        eventually(lambda: asking._lock.locked() or None)
        began = time.monotonic()
        asking.close()
        assert time.monotonic() - began < 4.0
        thread.join(30.0)

        assert len(errors) == 1
        with pytest.raises(Unavailable, match="closed"):
            asking.ends([TopicPartition("images.submitted", 0)])
