from __future__ import annotations

import time

import pytest

from services.kernel.errors import Unavailable
from services.runtime.assembly import Assembly
from services.runtime.readiness import Readiness


class Dependency:
    """A check that passes once it is up."""

    def __init__(self, *, up: bool) -> None:
        self.up = up

    def __call__(self) -> None:
        if not self.up:
            raise Unavailable("still down")


def eventually(condition: object) -> None:
    assert callable(condition)
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to pass")


def test_a_service_is_ready_when_all_its_checks_pass() -> None:
    model, memory = Dependency(up=True), Dependency(up=False)
    changes: list[tuple[str, bool]] = []
    assembly = Assembly("retrieval", checks={"model": model, "memory": memory})
    readiness = Readiness([assembly], lambda one, ready: changes.append((one.name, ready)))
    readiness.start()
    try:
        eventually(lambda: readiness.unready() == {"retrieval": "memory: still down"})
        assert not changes
        memory.up = True
        assert readiness.wait(5.0)
        eventually(lambda: not readiness.unready())
        model.up = False
        eventually(lambda: readiness.unready() == {"retrieval": "model: still down"})
        model.up = True
        eventually(lambda: not readiness.unready())
    finally:
        readiness.close()

    assert changes == [("retrieval", True), ("retrieval", False), ("retrieval", True)]
    assert readiness.unready() == {"retrieval": "the process shuts down"}


def test_one_service_does_not_wait_for_another() -> None:
    changes: list[str] = []
    one = Assembly("one", checks={"never": Dependency(up=False)})
    readiness = Readiness([one, Assembly("two")], lambda assembly, _: changes.append(assembly.name))
    readiness.start()
    eventually(lambda: changes == ["two"])

    assert not readiness.wait(0.05)
    readiness.close()
