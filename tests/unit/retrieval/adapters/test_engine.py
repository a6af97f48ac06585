"""Which engine keeps the memory is chosen at the start; the client of Milvus is an extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WITHOUT_THE_EXTRA = """
import sys
from pathlib import Path

import services.retrieval.assembly as retrieval
from services.kernel.errors import Unsupported
from services.retrieval.settings import RetrievalSettings
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.metrics import Metrics
from services.runtime.topics import TOPICS

assert "pymilvus" not in sys.modules, "imported without need"
sys.modules["pymilvus"] = None
folder = Path(sys.argv[1])
settings = RetrievalSettings.load(memory_engine="milvus", milvus_uri="http://127.0.0.1:1")
log = SqliteLog(folder / "events.db", TOPICS.settings())
try:
    storage = retrieval.Storage(folder / "memory")
    retrieval.assemble(settings, log, storage, metrics=Metrics(), version="1")
except Unsupported as error:
    print(error.message)
finally:
    log.close()
"""


def test_without_the_client_a_memory_on_milvus_is_refused_by_name_and_segments_need_none(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FOVEA_MEMORY_ENGINE=milvus needs the extra `milvus`")
