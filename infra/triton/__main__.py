"""`python -m infra.triton TARGET [--backend python]`: render the model repository of Triton."""

from __future__ import annotations

import argparse
from pathlib import Path

import models
from infra.triton.config import Serving
from infra.triton.repository import render
from services.runtime.model_execution.store import ModelStore


def main() -> None:
    """Render what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m infra.triton", description=__doc__)
    parser.add_argument("target", type=Path, help="folder of the repository")
    parser.add_argument("--store", type=Path, default=Path(models.__file__).parent / "store")
    parser.add_argument("--backend", choices=["onnxruntime", "python"], default="onnxruntime")
    given = parser.parse_args()
    render(ModelStore(given.store), given.target, Serving(backend=given.backend))


if __name__ == "__main__":
    main()
