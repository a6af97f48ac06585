"""Servers that are built once from their Go module, into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from infra.local.daemons import LocalError


def build(package: str, version: str, target: Path) -> None:
    """Build the program of a package, unless `target` is there; that takes minutes for a large one.

    Args:
        package: Such as `github.com/minio/minio`; its last part is the name of the program.
        version: Of its module.
        target: The program to be, in a folder of its own.

    Raises:
        LocalError: There is no Go, or the program cannot be built; the message has the end of what was said.
    """
    if target.exists():
        return
    go = shutil.which("go")
    if go is None:
        raise LocalError(
            f"{target.name} is built with Go, which is not on the PATH: install Go 1.24 or newer"
        )
    work = target.parent.with_name(f"{target.parent.name}.part-{uuid.uuid4().hex[:8]}")
    work.mkdir()
    built = subprocess.run(  # noqa: S603  (go, with arguments of this project)
        [go, "install", f"{package}@{version}"],
        env={**os.environ, "GOBIN": str(work)},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise LocalError(f"{target.name} could not be built:\n{built.stderr[-3000:]}")
    target.parent.mkdir(exist_ok=True)
    (work / package.rpartition("/")[2]).replace(target)
    shutil.rmtree(work)
