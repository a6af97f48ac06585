"""Every fault experiment in its short form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.experiment import Experiment, Size
from tests.chaos.registry import EXPERIMENTS

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "experiment",
    [pytest.param(one, id=one.name, marks=pytest.mark.timeout(one.short_timeout_s)) for one in EXPERIMENTS],
)
def test_what_is_promised_holds_under_faults(experiment: Experiment, tmp_path: Path) -> None:
    found = experiment.run(tmp_path, Size.SHORT)
    assert found
    for figures in found:
        assert figures.held, figures
