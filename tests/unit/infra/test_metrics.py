from __future__ import annotations

import re

import pytest

from infra import metrics
from services.runtime.metrics import Metrics

UNITS = ("_seconds", "_bytes", "_total", "_info")
COUNTED = "flight|size|messages|paused|pending|depth|ready|items|versions|segments|ratio|vectors|margin|up"
WITHOUT_UNIT = re.compile(f"_({COUNTED})$")


def test_the_page_lists_every_metric_of_the_catalogue() -> None:
    written = metrics.PAGE.read_text(encoding="utf-8")
    assert metrics.page(written) == written, "run python -m infra.metrics"

    names = {name for family in Metrics().registry.collect() for name in [family.name]}
    for name in names:
        assert f"| `{name}` |" in written or f"| `{name}_total` |" in written


@pytest.mark.parametrize("name", [metrics.name_of(metric) for _, metric in metrics.declared()])
def test_a_name_ends_with_its_unit_or_says_what_is_counted(name: str) -> None:
    assert name.startswith("fovea_")
    assert name.endswith(UNITS) or WITHOUT_UNIT.search(name)
