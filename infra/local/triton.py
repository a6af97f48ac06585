"""Triton without containers: the server inside PyTriton's wheel, in an environment of its own.

That wheel has the Python backend alone, so graphs run with onnxruntime in `infra/triton/model.py`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import models
from infra.local import daemons
from infra.local.daemons import LocalError, Program
from infra.local.minio import answers
from infra.local.server import Running
from infra.triton.config import Serving
from infra.triton.repository import render
from services.runtime.model_execution.store import ModelStore

_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements" / "triton.txt"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  (where Linux shows it)
_REGION: Final = "fovea_triton_"
"""How the memory that the server shares with its models is called."""
_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
SHIPPED_MODELS: Final = Path(models.__file__).parent / "store"


class TritonServer:
    """One Triton, serving every model of a store.

    Args:
        store: The folder of the models.
        serving: How they are served, apart from the backend.
        beside: A folder of Triton's own models, served as they are.
        arguments: More of the server's, such as those for encryption.
    """

    name = "triton"

    def __init__(
        self,
        store: Path = SHIPPED_MODELS,
        *,
        serving: Serving | None = None,
        beside: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._store = ModelStore(store)
        self._arguments = arguments
        self._beside = beside
        self._serving = serving or Serving(backend="python")

    def install(self, cache: Path) -> None:
        """Make its environment, about 450 MB."""
        home = _home(cache)
        if home.is_dir():
            return
        work = cache / f"{home.name}.part-{uuid.uuid4().hex[:8]}"
        uv, python = str(Path(sys.executable).with_name("uv")), str(work / "venv" / "bin" / "python")
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(work / "venv")])
        _run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(_REQUIREMENTS)])
        _join_stub(work)
        work.rename(home)  # as a whole, so that what is there is complete

    def start(self, cache: Path, folder: Path) -> Running:
        """Render the repository into the folder, and start the server on it; every model is loaded."""
        folder = folder.absolute()
        free_what_the_dead_shared()
        render(self._store, folder / "repository", self._serving)
        if self._beside is not None:
            shutil.copytree(self._beside, folder / "repository", dirs_exist_ok=True)
        http, grpc, metrics = daemons.free_ports(3)
        ports = {"http": http, "grpc": grpc, "metrics": metrics}
        daemon = daemons.start(_program(_home(cache), folder, ports, self._arguments))
        running = Running([daemon], {"FOVEA_TRITON_URL": f"127.0.0.1:{grpc}"})
        try:
            daemons.wait_ready(daemon, lambda: answers(f"http://127.0.0.1:{http}/v2/health/ready"))
        except BaseException:
            running.stop()
            raise
        return running


def _program(home: Path, folder: Path, ports: dict[str, int], more: Sequence[str]) -> Program:
    """Return the server with EXPLICIT model control: what it loads beyond its start, somebody asked for."""
    binary = _server(home) / "bin" / "tritonserver"
    command = [
        str(binary),
        f"--model-repository={folder / 'repository'}",
        f"--backend-directory={home / 'backends'}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--disable-auto-complete-config",
        f"--backend-config=python,shm-region-prefix-name={_REGION}",
        "--backend-config=python,stub-timeout-seconds=120",  # 30 are few where all models start on two cores
        "--exit-timeout-secs=10",
        *(f"--{door}-address=127.0.0.1" for door in ports),
        *(f"--{door}-port={port}" for door, port in ports.items()),
        *more,
    ]
    libraries = [sysconfig.get_config_var("LIBDIR"), str(_packages(home) / "nvidia_pytriton.libs")]
    environment = {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "PATH": f"{home / 'venv' / 'bin'}:/usr/bin:/bin",  # the first Python there runs the models
    }
    return Program("triton", command, folder, environment)


def free_what_the_dead_shared(folder: Path = _SHARED_MEMORY) -> None:
    """Remove the shared memory of servers that were killed: nothing else does, until the machine restarts.

    What somebody still uses stays, and what belongs to another user.
    """
    mapped = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):  # it has ended, or is somebody else's
            mapped |= set(re.findall(rf"{folder}/({_REGION}\S+)", maps.read_text(encoding="utf-8")))
    for region in folder.glob(f"{_REGION}*"):
        if region.name not in mapped:
            with suppress(PermissionError):
                region.unlink(missing_ok=True)


def _join_stub(home: Path) -> None:
    """Put the Python backend and its program for this Python into one folder, as the server wants them."""
    shutil.copytree(_server(home) / "backends", home / "backends")
    stub = _server(home) / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"
    if not stub.exists():
        raise LocalError(f"PyTriton has no stub for Python {_PYTHON}")
    shutil.copy2(stub, home / "backends" / "python")


def _home(cache: Path) -> Path:
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return cache / f"triton-{_PYTHON}-{digest}"


def _packages(home: Path) -> Path:
    return home / "venv" / "lib" / f"python{_PYTHON}" / "site-packages"


def _server(home: Path) -> Path:
    return _packages(home) / "pytriton" / "tritonserver"


def _run(command: Sequence[str]) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise LocalError(f"{command[0]} is missing: `make setup` installs it") from error
    if ended.returncode:
        raise LocalError(f"{Path(command[0]).name} failed:\n{ended.stderr[-3000:]}")
