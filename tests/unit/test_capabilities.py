"""Every test that docs/capabilities.md names exists, and every promise names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "capabilities.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+::\w+)`", PAGE)))
PROMISES = [line for line in PAGE.splitlines() if line.startswith("| **")]


@pytest.mark.parametrize("test", NAMED)
def test_a_test_that_proves_something_exists(test: str) -> None:
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line[4:40])
def test_a_promise_has_a_proof(promise: str) -> None:
    assert re.search(r"`tests/[\w/.]+::\w+`", promise)


def test_the_page_was_read() -> None:
    assert len(PROMISES) >= 13
    assert len(NAMED) > 25
