"""An event log in one SQLite file, for one process with many threads."""

from services.runtime.event_log.settings import TopicSettings
from services.runtime.event_log.sqlite.log import SqliteLog

__all__ = ["SqliteLog", "TopicSettings"]
