"""A running Fovea for the tests of this folder, and stubs to call it with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.e2e.calls import Calls
from tests.e2e.processes import Program

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def allinone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program("services.allinone", tmp_path_factory.mktemp("allinone")) as program:
        yield program
    assert program.stop() == 0, program.log()[-4000:]


@pytest.fixture
def calls(allinone: Program) -> Iterator[Calls]:
    """Calls to a collection that no other test uses."""
    with Calls(allinone.target, collection=f"test-{next(_NUMBERS)}") as opened:
        opened.create_collection()
        yield opened
