"""Retrieval as a process of its own: `python -m services.retrieval`."""

from __future__ import annotations

import sys
from contextlib import closing
from importlib import metadata

from services.retrieval.assembly import assemble
from services.retrieval.settings import RetrievalSettings
from services.runtime.data_folder import DataFolder
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process, Resources
from services.runtime.topics import TOPICS


def main() -> None:
    """Run until told to stop."""
    settings = RetrievalSettings.load()
    start_logging("retrieval", settings)
    with (
        DataFolder(settings.data_folder) as folder,
        closing(SqliteLog(folder.path / "events.db", TOPICS.settings())) as log,
    ):
        resources = Resources(log=log)
        retrieval = assemble(settings, log, metrics=resources.metrics, version=metadata.version("fovea"))
        run(Process([retrieval], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
