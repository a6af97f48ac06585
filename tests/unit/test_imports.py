"""The import contracts of pyproject.toml hold, and each of them can fail."""

import subprocess
import sys
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

# One offence against each contract: the file that commits it, and the line that is added.
OFFENCES = {
    "Services meet in protos alone": ("services/ranking/codec.py", "import services.retrieval.domain"),
    "Each service has the same layers": (
        "services/ranking/domain/ordering.py",
        "import services.ranking.usecases",
    ),
    "and no others": ("services/ranking/helpers.py", "pass"),
    "The inside knows no framework": (
        "services/ranking/domain/ordering.py",
        "import services.runtime.codec.region",
    ),
    "Kernel and runtime know no service": (
        "services/runtime/topics.py",
        "import services.ranking.domain.ordering",
    ),
    "The methods know no service": ("models/vision/images.py", "import services.kernel.errors"),
    "Serving never reaches torch": ("services/encoding/codec.py", "import models.text.network"),
    "The client is light": ("fovea/client/errors.py", "import numpy"),
    "Services import stubs, never the client": ("services/gateway/codec.py", "import fovea.client"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for package in ("fovea", "services", "models"):
        copytree(ROOT / package, tmp_path / package, ignore=ignore_patterns("__pycache__", "store"))
    copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    outcome = _lint(tree)

    assert outcome.returncode == 0, outcome.stdout
    assert "0 broken" in outcome.stdout


@pytest.mark.parametrize("contract", OFFENCES)
def test_an_offence_breaks_its_contract(tree: Path, contract: str) -> None:
    name, line = OFFENCES[contract]
    offender = tree / name
    before = offender.read_text(encoding="utf-8") if offender.exists() else ""
    offender.write_text(f"{before}\n{line}\n", encoding="utf-8")

    outcome = _lint(tree)

    broken = [line for line in outcome.stdout.splitlines() if line.endswith("BROKEN")]
    assert outcome.returncode == 1, outcome.stdout
    assert any(contract in line for line in broken), outcome.stdout
