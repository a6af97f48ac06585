"""The object store killed, paused, slow, full, cut off in mid-sentence, or with wrong bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import grpc
import pytest
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr

from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer, answers
from infra.local.server import Running, running
from infra.local.toxiproxy import ToxiproxyServer, Way
from infra.local.triton import TritonServer
from services.gateway.domain import keys
from services.kernel.vocabulary import CollectionKey
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.object_store.minio import MinioSettings, MinioStore
from services.runtime.topics import TOPICS
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.ledger import Balance, Evidence, balance
from tests.chaos.outage import Fault, Scale, Scene, endure, picture, until
from tests.chaos.platform import started
from tests.chaos.traffic import Batch
from tests.chaos.victim import Victim
from tests.e2e.calls import Calls
from tests.e2e.pictures import png

_STORE_TIMEOUT_S: Final = 2.0


class Store:
    """A MinIO that is reached over a way that can be spoilt.

    Args:
        server: The MinIO.
        proxy: A Toxiproxy.
    """

    def __init__(self, server: Running, proxy: Running) -> None:
        self._settings = server.settings
        self._address = urlsplit(server.settings["FOVEA_S3_ENDPOINT"]).netloc
        self.process = Victim(server, lambda: answers(f"http://{self._address}/minio/health/cluster"))
        self.way = Way(proxy, "store", self._address)

    @property
    def settings(self) -> dict[str, str]:
        """What services are told."""
        return {**self._settings, "FOVEA_S3_ENDPOINT": f"http://{self.way.address}"}

    @property
    def direct(self) -> MinioSettings:
        """How a test reaches it, not over the way."""
        told = self._settings
        return MinioSettings(
            endpoint=told["FOVEA_S3_ENDPOINT"],
            bucket=told["FOVEA_S3_BUCKET"],
            access_key=told["FOVEA_S3_ACCESS_KEY"],
            secret_key=SecretStr(told["FOVEA_S3_SECRET_KEY"]),
        )

    @contextmanager
    def full(self) -> Iterator[None]:
        """Without room for another byte; what is there can be read."""
        bucket = self._settings["FOVEA_S3_BUCKET"]
        keys = StaticProvider(self._settings["FOVEA_S3_ACCESS_KEY"], self._settings["FOVEA_S3_SECRET_KEY"])
        admin = MinioAdmin(endpoint=self._address, credentials=keys, secure=False)
        admin.bucket_quota_set(bucket, 1)
        try:
            yield
        finally:
            admin.bucket_quota_clear(bucket)


def run(folder: Path, size: Size) -> list[Figures]:
    """Start a platform, and do everything to its object store, one thing after the other."""
    with ExitStack() as stack:
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        triton = stack.enter_context(running(TritonServer(), folder / "triton"))
        proxy = stack.enter_context(running(ToxiproxyServer(), folder / "proxy"))
        store = Store(stack.enter_context(running(MinioServer(), folder / "minio")), proxy)
        stack.callback(store.process.stop)
        told = {
            **kafka.settings,
            **triton.settings,
            **store.settings,
            "FOVEA_S3_TIMEOUT_S": str(_STORE_TIMEOUT_S),
            "FOVEA_KEPT_REGIONS": "0",  # every image is read
        }
        platform = stack.enter_context(started(folder / "platform", told))
        calls = stack.enter_context(Calls(platform.target, collection="store"))
        scene = Scene(platform.programs, calls, Scale.of(size))
        faults = _faults(store, scene)
        found = [endure(scene, name, fault, kafka.settings) for name, fault in faults.items()]
        return [*found, rotten(scene, store, kafka.settings)]


def rotten(scene: Scene, store: Store, kafka: Mapping[str, str]) -> Figures:
    """Put other bytes in place of some images and take some away, while work on them waits.

    Raises AssertionError if a caller is not told what is wrong, or does not get an answer when the store is
    rid of what is wrong.
    """
    batch = Batch(scene.calls, "rot", {f"rot-{n}": picture(1_000 + n) for n in range(scene.scale.images)})
    names = list(batch.images)
    places = {name: _place(scene, image) for name, image in batch.images.items()}
    overwritten, removed = names[::4], names[1::4]
    with closing(MinioStore(store.direct)) as objects, scene.encoding_held():
        with batch:
            until(lambda: batch.accepted == len(names), "images are not accepted")
        for name in overwritten:
            objects.put(places[name], _another(len(batch.images[name])))
        for name in removed:
            objects.delete(places[name])
    until(lambda: batch.over, "images with wrong bytes do not end")
    expected = {
        **dict.fromkeys(overwritten, ("DATA_LOSS", "DIGEST_MISMATCH")),
        **dict.fromkeys(removed, ("NOT_FOUND", "NO_OBJECT")),
    }
    failures = {name: scene.calls.recognition(name).failure for name in names}
    odd = [name for name, one in failures.items() if (one.status, one.reason) != expected.get(name, ("", ""))]
    drawn = _drawn(scene, batch, kafka)
    _waiting_callers_are_told(scene, batch.images[names[0]], store, places[names[0]])
    mismatches = scene.metric("fovea_blob_digest_mismatch_total", "encoding")
    assert mismatches >= len(overwritten), f"monitoring shows {mismatches} mismatches"
    return Figures(
        fault="images in MinIO overwritten with as many other bytes, or deleted",
        injected=len(overwritten) + len(removed),
        handed_in=len(names),
        lost=len(drawn.lost),
        doubled=len(drawn.doubled),
        dead=len(drawn.dead),
        wrong=len(odd),
        note="Each dead letter is an image that was overwritten or deleted, and says which of the two.",
    )


def _waiting_callers_are_told(scene: Scene, image: bytes, store: Store, key: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        scene.calls.recognize(image)
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS, caught.value
    with closing(MinioStore(store.direct)) as objects:
        objects.delete(key)
    assert scene.calls.recognize(image).regions


def _another(size_bytes: int) -> bytes:
    """Return another picture of as many bytes: nothing but its digest tells that it is the wrong one."""
    return png("fern", seed=77).ljust(size_bytes, b"\0")


def _drawn(scene: Scene, batch: Batch, kafka: Mapping[str, str]) -> Balance:
    evidence = Evidence()
    evidence.ask(scene.calls, batch.images)
    with closing(KafkaLog(kafka["FOVEA_KAFKA_SERVERS"], TOPICS.settings())) as log:
        evidence.read(log, scene.calls.key.collection)
    return balance(list(batch.images), evidence, {}, watched=False)


def _place(scene: Scene, image: bytes) -> str:
    tenant, collection = scene.calls.key.tenant, scene.calls.key.collection
    return keys.image(CollectionKey(tenant, collection), hashlib.sha256(image).hexdigest())


def _faults(store: Store, scene: Scene) -> dict[str, Fault]:
    def waits() -> bool:
        return scene.waits

    return {
        "killed": Fault("MinIO killed and started again", store.process.killed, waits),
        "paused": Fault("MinIO stands still", store.process.paused, waits),
        "slow": Fault(
            "every answer of MinIO 1 to 2 s late",
            lambda: store.way.spoilt("latency", latency=1_500, jitter=500),
        ),
        "full": Fault("MinIO full", store.full, waits),
        "cut": Fault(
            "connections to MinIO end after 4 kB", lambda: store.way.spoilt("limit_data", bytes=4_000), waits
        ),
        "reset": Fault(
            "connections to MinIO are reset", lambda: store.way.spoilt("reset_peer", timeout=0), waits
        ),
    }


OBJECT_STORE: Final = Experiment(
    name="object_store",
    promise="While the object store is away, slow, full or wrong, work waits and callers are told.",
    run=run,
    short_timeout_s=300.0,
)
