"""Publishes from several threads and prints what was acknowledged, until somebody kills it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from services.runtime.event_log.ports import NewRecord
from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite import SqliteLog

TOPIC = "things.done"
SETTINGS = {TOPIC: TopicSettings(partitions=3)}
WRITERS = 4


def publish(log: SqliteLog, life: str, writer: int) -> None:
    number = 0
    while True:
        count = 1 + number % 3
        names = [f"{life}/{writer}/{n}" for n in range(number, number + count)]
        log.publish([NewRecord(TOPIC, f"{life}/{writer}", name.encode()) for name in names])
        os.write(1, "".join(f"{name}\n" for name in names).encode())
        number += count


def main() -> None:
    log = SqliteLog(Path(sys.argv[1]), SETTINGS)
    for writer in range(WRITERS):
        threading.Thread(target=publish, args=(log, sys.argv[2], writer)).start()


if __name__ == "__main__":
    main()
