"""Retrieval as a process of its own: `python -m services.retrieval`."""

from __future__ import annotations

import sys
from importlib import metadata

from services.retrieval.assembly import Storage, assemble
from services.retrieval.settings import RetrievalSettings
from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process


def main() -> None:
    """Run until told to stop."""
    settings = RetrievalSettings.load()
    start_logging("retrieval", settings)
    with open_backbone(settings, keeps_data=True) as backbone:
        resources = backbone.resources
        retrieval = assemble(
            settings,
            backbone.log,
            Storage(backbone.data_folder / "memory", backbone.shared_store, kept=backbone.shared_store),
            claims=backbone.claims,
            metrics=resources.metrics,
            version=metadata.version("fovea"),
        )
        run(Process([retrieval], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
