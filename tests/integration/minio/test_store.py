"""The MinIO adapter when the server is down, slow, full of others' doings, or somebody else's."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.local import daemons
from infra.local.minio import MinioServer, answers
from infra.local.server import Running, running
from services.kernel.errors import DeadlineExceeded, Overloaded, Unavailable
from services.runtime.deadline import within
from services.runtime.object_store.minio import MinioSettings, MinioStore
from tests.integration.minio.buckets import a_bucket

pytestmark = pytest.mark.integration


@contextmanager
def opened(settings: MinioSettings) -> Iterator[MinioStore]:
    with closing(MinioStore(settings)) as store:
        yield store


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    with running(MinioServer(), tmp_path / "minio") as server:
        yield server


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def pause(daemon: daemons.Daemon) -> None:
    """Stop a process, and wait until none of its threads runs."""
    daemon.pause()
    tasks = Path(f"/proc/{daemon.pid}/task")
    daemons.wait_until(
        lambda: all(" T " in (task / "stat").read_text() for task in tasks.iterdir()), "", patience_s=10
    )


def test_many_stores_make_one_bucket_at_the_same_time(minio_server: Running) -> None:
    settings = a_bucket(minio_server)

    def put(number: int) -> None:
        with opened(settings) as store:
            store.put(f"k/{number}", b"x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    with opened(settings) as store:
        assert len(list(store.list("k/"))) == 8


def test_a_store_needs_no_server_to_be_made_and_says_so_when_used() -> None:
    (port,) = daemons.free_ports(1)
    settings = MinioSettings(f"http://127.0.0.1:{port}", "test", "user", SecretStr("se-cret"))

    with opened(settings) as store:
        for call in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: list(store.list(""))):
            with pytest.raises(Unavailable, match="object store"):
                call()


def test_a_killed_server_is_unavailable_and_used_again_when_it_is_back(own_server: Running) -> None:
    (daemon,) = own_server.daemons
    with opened(a_bucket(own_server)) as store:
        store.put("a/b", b"kept")
        daemon.kill()
        with pytest.raises(Unavailable):
            store.get("a/b")
        with pytest.raises(Unavailable):
            store.put_if_absent("a/c", b"")

        again = daemons.start(daemon.program)
        try:
            url = f"{own_server.settings['FOVEA_S3_ENDPOINT']}/minio/health/cluster"
            daemons.wait_ready(again, lambda: answers(url))
            assert store.get("a/b") == b"kept"
            assert store.put_if_absent("a/c", b"now")
        finally:
            again.stop()


def test_a_paused_server_costs_a_caller_no_more_than_its_time(own_server: Running) -> None:
    (daemon,) = own_server.daemons
    with opened(a_bucket(own_server, timeout_s=0.5)) as store:
        store.put("a", b"x")
        pause(daemon)
        started = time.monotonic()
        with within(0.2), pytest.raises(DeadlineExceeded):
            store.get("a")
        assert time.monotonic() - started < 2
        with pytest.raises(Unavailable):
            store.get("a")
        daemon.send(signal.SIGCONT)
        assert store.get("a") == b"x"


def test_a_server_that_takes_connections_and_never_answers_is_unavailable() -> None:
    with silent_port() as port:
        settings = MinioSettings(
            f"http://127.0.0.1:{port}", "test", "user", SecretStr("se-cret"), timeout_s=0.3
        )
        with opened(settings) as store, pytest.raises(Unavailable):
            store.get("a")


def test_more_callers_than_connections_wait_their_turn(minio_server: Running) -> None:
    with opened(a_bucket(minio_server, connections=2)) as store:
        store.put("a", b"x" * 100_000)
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(lambda _: store.get("a") == b"x" * 100_000, range(64)))


def test_a_caller_that_finds_no_connection_free_in_time_is_told_so() -> None:
    with silent_port() as port:
        settings = MinioSettings(
            f"http://127.0.0.1:{port}", "test", "user", SecretStr("s"), timeout_s=1.0, connections=1
        )
        with opened(settings) as store:
            store._made = True
            pool = ThreadPoolExecutor(1)
            first = pool.submit(store.get, "a")
            daemons.wait_until(lambda: busy(store), "", patience_s=5)
            started = time.monotonic()
            with pytest.raises((Overloaded, DeadlineExceeded)), within(0.2):
                store.get("b")
            assert time.monotonic() - started < 0.8
            assert isinstance(first.exception(), Unavailable)
            pool.shutdown()


def busy(store: MinioStore) -> bool:
    pools = store._pools[0].pools
    return any(pools[key].num_connections > 0 for key in pools.keys())  # noqa: SIM118  (no mapping)


WRONG = {"access_key": "nobody", "secret_key": SecretStr("not-the-secret")}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_a_wrong_key_is_unavailable_and_no_secret_is_in_the_error(minio_server: Running, wrong: str) -> None:
    settings = a_bucket(minio_server, **{wrong: WRONG[wrong]})
    with opened(settings) as store, pytest.raises(Unavailable, match="access and secret key") as caught:
        store.get("a")

    assert caught.value.reason == "STORE_REFUSED"
    secret = settings.secret_key.get_secret_value()
    assert secret not in repr(settings)
    assert secret not in repr(caught.value) + repr(caught.value.__cause__) + str(caught.value.__cause__)


def test_a_bucket_that_was_removed_is_no_missing_object_but_comes_back(minio_server: Running) -> None:
    settings = a_bucket(minio_server)
    with opened(settings) as store:
        store.put("a", b"x")
        store.delete("a")
        store._any.remove_bucket(settings.bucket)
        with pytest.raises(Unavailable):
            store.get("a")
        store.put("a", b"y")
        assert store.get("a") == b"y"


def test_check_tells_whether_it_answers(minio_server: Running) -> None:
    with opened(a_bucket(minio_server)) as store:
        store.check()
