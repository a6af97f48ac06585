import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fovea.cli.app import app
from fovea.cli.exits import EXIT_CODES, ExitCode
from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


COMMANDS = list(commands(typer.main.get_command(app)))


def test_the_commands_are_those_that_are_documented() -> None:
    assert {" ".join(command) for command in COMMANDS} == {
        "serve",
        "teach",
        "recognize",
        "recognition",
        "evaluate",
        "submit",
        "submission",
        "watch",
        "explain",
        "replay",
        "correct",
        "forget",
        "labels",
        "exemplars",
        "export",
        "doctor",
        *(f"memory {name}" for name in ("audit", "export", "import", "propose", "apply")),
        *(
            f"attributes {name}"
            for name in ("begin", "discover", "extract", "describe", "check", "show", "teach")
        ),
        *(f"models {name}" for name in ("import", "shrink")),
        *(f"memory versions {name}" for name in ("keep", "list", "compare", "revert", "delete")),
        *(f"memory queries {name}" for name in ("keep", "list", "delete")),
        *(
            f"memory migrate {name}"
            for name in ("start", "status", "evaluate", "cut-over", "roll-back", "finish")
        ),
        *(f"dead-letters {name}" for name in ("list", "show", "replay")),
        *(f"collections {name}" for name in ("list", "create", "show", "update", "calibrate", "delete")),
    }


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_examples(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).stdout

    examples = shown.partition("Examples")[2]
    assert f"fovea {' '.join(command)}" in examples


def test_the_first_help_tells_the_exit_codes() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout.split())

    assert EXIT_CODES in shown
    assert all(f" {code.value} " in EXIT_CODES for code in ExitCode)


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").stdout.split()[0] == "fovea"


def fovea(*args: str) -> list[str]:
    return [sys.executable, "-m", "fovea", *args]


def test_help_loads_neither_numpy_nor_a_service() -> None:
    script = (
        "import sys\nfrom fovea.cli.app import app\n"
        "print([m for m in sys.modules if m.split('.')[0] in {'numpy', 'services', 'models', 'PIL'}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_reader_that_leaves_early_is_no_error(server: FakeServer, run: Run) -> None:
    run("teach", *[arg for number in range(300) for arg in ("--name", f"class {number}")])
    command = f"{sys.executable} -m fovea --target {server.target} exemplars --json | head -n 1"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)  # noqa: S607

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_an_interrupt_ends_a_command_cleanly(server: FakeServer, tmp_path: Path) -> None:
    server.script.delay_s = 30
    (tmp_path / "x.png").write_text("x")
    # a shell's background job, which a run of CI may be, passes on that interrupts are ignored
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = fovea("--target", server.target, "recognize", str(tmp_path / "x.png"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, handler)
        end = time.monotonic() + 30
        while not server.script.calls["Recognize"] and time.monotonic() < end:
            time.sleep(0.01)

        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert (out, err.strip()) == ("", "interrupted")
    server.script.delay_s = 0


def test_serve_becomes_the_server_with_its_settings(tmp_path: Path) -> None:
    fake = tmp_path / "services" / "allinone"
    fake.mkdir(parents=True)
    (tmp_path / "services" / "__init__.py").touch()
    (fake / "__init__.py").touch()
    (fake / "__main__.py").write_text(
        "import os\nprint(os.getpid(), os.environ['FOVEA_PORT'], os.environ['FOVEA_DATA_FOLDER'])"
    )
    process = subprocess.Popen(
        fovea("serve", "--port", "9600", "--data", "somewhere"),
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate(timeout=30)

    assert out.split() == [str(process.pid), "9600", "somewhere"]
