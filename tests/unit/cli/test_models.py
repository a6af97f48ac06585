import importlib.util
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="this installation can make models")
@pytest.mark.parametrize("command", ["import", "shrink"])
def test_an_installation_without_torch_says_what_it_lacks_and_how_to_get_it(
    run: Run, tmp_path: Path, command: str
) -> None:
    result = run("models", command, tmp_path)

    assert result.exit_code == 6
    assert "torch" in result.stderr
    assert 'pip install "fovea[training]"' in result.stderr


def test_the_commands_are_listed_with_what_they_take(run: Run) -> None:
    assert "fovea models import clip-vit-base-patch32/" in run("models", "import", "--help").stdout
    assert "int8" in run("models", "shrink", "--help").stdout
    assert run("models", "import", "x", "--variant", "int2").exit_code == 2
