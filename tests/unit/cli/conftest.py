"""A server, and the command line talking to it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fovea.cli.app import app
from tests.fakes.gateway_server import FakeServer

Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as started:
        yield started


@pytest.fixture
def run(server: FakeServer) -> Run:
    """Run `fovea ...` against the server; stdout and stderr are kept apart."""

    def run(*args: object, **env: str) -> Result:
        result = CliRunner().invoke(
            app,
            [str(arg) for arg in args],
            env={"FOVEA_TARGET": server.target, "COLUMNS": "160", "NO_COLOR": "1"} | env,
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def rows(result: Result) -> list[Any]:
    """Return the JSON lines of stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A folder of pictures, one sub-folder for each label."""
    for name, content in {
        "wren/2.png": "wren b",
        "wren/1.png": "wren a",
        "goldfinch/deep/down.jpg": "goldfinch a",
        "goldfinch/bad.jpg": "bad picture",
        "goldfinch/.hidden.jpg": "hidden",
        ".git/x.jpg": "hidden too",
        "goldfinch/notes.txt": "no picture",
    }.items():
        (tmp_path / "birds" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "birds" / name).write_text(content)
    return tmp_path / "birds"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b.png", "a.jpg", "c.webp"):
        (folder / name).write_text(name[0])
    (folder / "bad.gif").write_text("bad")
    return folder
