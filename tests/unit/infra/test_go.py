"""What is built with Go is built once, and what went wrong is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local import go
from infra.local.daemons import LocalError

BUILDS = '#!/bin/sh\necho "$2" >> "$CALLS"; echo built > "$GOBIN/server"\n'
FAILS = "#!/bin/sh\necho no such module >&2; exit 1\n"


def put_first(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a script the `go` that is found, and return where it notes its calls."""
    (folder / "bin").mkdir()
    (folder / "bin" / "go").write_text(script)
    (folder / "bin" / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(folder / "calls"))
    return folder / "calls"


def test_a_program_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = put_first(BUILDS, tmp_path, monkeypatch)
    target = tmp_path / "thing-v1" / "thing"

    go.build("example.org/thing/cmd/server", "v1", target)
    go.build("example.org/thing/cmd/server", "v1", target)

    assert target.read_text() == "built\n"
    assert calls.read_text() == "example.org/thing/cmd/server@v1\n"
    assert {each.name for each in tmp_path.iterdir()} == {"bin", "calls", "thing-v1"}


def test_what_cannot_be_built_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_first(FAILS, tmp_path, monkeypatch)

    with pytest.raises(LocalError, match="thing could not be built:\nno such module"):
        go.build("example.org/thing", "v1", tmp_path / "thing-v1" / "thing")

    assert not (tmp_path / "thing-v1").exists()


def test_without_go_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LocalError, match="install Go"):
        go.build("example.org/thing", "v1", tmp_path / "thing-v1" / "thing")
