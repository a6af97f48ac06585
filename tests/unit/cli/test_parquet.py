import subprocess
import sys
from pathlib import Path

from fovea.cli.exits import ExitCode
from tests.fakes.gateway_server import FakeServer
from tests.fakes.parquet import file, table
from tests.unit.cli.conftest import Run

OURS = ("--space", "visual", "--encoder", "colours@1")


def test_a_memory_goes_into_a_file_and_comes_back(
    run: Run, server: FakeServer, birds: Path, tmp_path: Path
) -> None:
    run("teach", birds)
    kept = dict(server.memory.exemplars)
    exported = run("memory", "export", tmp_path / "birds.parquet")
    server.memory.exemplars.clear()
    imported = run("memory", "import", tmp_path / "birds.parquet")

    assert "wrote 3 exemplars to" in exported.stderr
    assert "imported 3 from" in imported.stderr
    assert server.memory.exemplars == kept


def test_a_bad_row_is_named_and_counted(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, table(vector=[[1.0, 0.0], [0.0, 0.0]]))
    result = run("memory", "import", path, *OURS)

    assert "row 2, column vector: has length 0.0" in result.stderr
    assert "imported 1, 1 failed from" in result.stderr
    assert result.exit_code == ExitCode.SOME_FAILED


def test_an_encoder_that_does_not_run_is_told_once_and_not_for_every_row(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, table(label=["a"] * 900, vector=[[1.0, 0.0]] * 900))
    result = run("memory", "import", path, "--space", "visual", "--encoder", "strange@1")

    assert result.stderr.count("strange does not run") == 1
    assert result.exit_code == ExitCode.USAGE


def test_a_file_by_another_tool_is_asked_about(run: Run, tmp_path: Path) -> None:
    path = file(tmp_path, table())

    asked = run("memory", "import", path)
    half = run("memory", "import", path, "--space", "visual")

    assert "name their space and encoder" in asked.stderr
    assert "name both --space and --encoder" in half.stderr
    assert asked.exit_code == half.exit_code == ExitCode.USAGE


def test_a_file_that_is_not_there_or_no_parquet_is_an_error_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("label,vector")

    missing = run("memory", "import", tmp_path / "none.parquet")
    other = run("memory", "import", tmp_path / "notes.txt")

    assert "No such file" in missing.stderr
    assert "damaged or no Parquet file" in other.stderr
    assert missing.exit_code == other.exit_code == ExitCode.USAGE


def test_without_pyarrow_one_is_told_what_to_install(tmp_path: Path) -> None:
    """In a process of its own, in which pyarrow cannot be found."""
    hidden = (
        "import importlib.util as u, sys\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'pyarrow' else find(name, *more)\n"
        "from fovea.cli import main\n"
        f"sys.argv = ['fovea', 'memory', 'import', {str(tmp_path / 'a.parquet')!r}]\n"
        "main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)

    assert "pip install 'fovea[parquet]'" in ended.stderr.replace("\n", " ")
    assert ended.returncode == ExitCode.UNSUPPORTED
