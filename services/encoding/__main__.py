"""Encoding as a process of its own: `python -m services.encoding`."""

from __future__ import annotations

import sys
from importlib import metadata

from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.backbone import open_backbone
from services.runtime.main import exit_code_of, run, start_logging
from services.runtime.process import Process


def main() -> None:
    """Run until told to stop. It reads images from `object_folder`, which it may share with a gateway."""
    settings = EncodingSettings.load()
    start_logging("encoding", settings)
    with open_backbone(settings) as backbone:
        resources = backbone.resources
        models, senses = open_models(settings, resources.metrics.models)
        version = metadata.version("fovea")
        caches = resources.metrics.caches
        encoding = assemble(settings, backbone.store, models, senses, version=version, metrics=caches)
        run(Process([encoding], settings, resources=resources), settings)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
