"""An image put into MinIO and taken out again, checked, beside the same with the bare client."""

from __future__ import annotations

import hashlib
import io
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from minio import Minio
from pydantic import SecretStr

from benchmarks.measure import Side, in_turn
from benchmarks.table import milliseconds, table
from infra.local.minio import MinioServer
from infra.local.server import running
from services.runtime.object_store.minio import MinioSettings, MinioStore
from services.runtime.object_store.verified import read_verified

_IMAGE_BYTES = 200_000
_IMAGES = 40


def measure() -> Mapping[str, Side]:
    """Start a MinIO, and let both sides take turns on it."""
    with tempfile.TemporaryDirectory() as folder, running(MinioServer(), Path(folder)) as server:
        told = server.settings
        settings = MinioSettings(
            told["FOVEA_S3_ENDPOINT"],
            "bench",
            told["FOVEA_S3_ACCESS_KEY"],
            SecretStr(told["FOVEA_S3_SECRET_KEY"]),
        )
        with closing(MinioStore(settings)) as store:
            store.check()
            return _in_turn(store, _bare_client(settings), settings.bucket)


def report(sides: Mapping[str, Side]) -> str:
    """Return the result as a table."""
    bare = sides["bare client"]
    rows = [
        (
            name,
            milliseconds(side.wall_s),
            f"{side.wall_s / bare.wall_s:.2f}",
            milliseconds(side.cpu_s),
            f"{100 * side.spread:.0f} %",
        )
        for name, side in sides.items()
    ]
    head = ("put + get", "ms", "over bare", "CPU ms", "spread")
    return f"an object of {_IMAGE_BYTES // 1000} kB, its digest verified by ours\n{table(head, rows)}"


def _in_turn(store: MinioStore, client: Minio, bucket: str) -> dict[str, Side]:
    def bare(images: Sequence[bytes]) -> None:
        for image in images:
            key = _key()
            client.put_object(bucket, key, io.BytesIO(image), len(image))
            reply = client.get_object(bucket, key)
            reply.read()
            reply.release_conn()

    def ours(images: Sequence[bytes]) -> None:
        for image in images:
            key = _key()
            store.put(key, image)
            read_verified(store, key, hashlib.sha256(image).hexdigest())

    def first(images: Sequence[bytes]) -> None:
        for image in images:
            key = _key()
            store.put_if_absent(key, image)
            read_verified(store, key, hashlib.sha256(image).hexdigest())

    random = np.random.default_rng(0)
    sides = {"bare client": bare, "ours": ours, "ours, if absent": first}
    return in_turn(sides, lambda: [random.bytes(_IMAGE_BYTES) for _ in range(_IMAGES)])


def _bare_client(settings: MinioSettings) -> Minio:
    return Minio(
        urlsplit(settings.endpoint).netloc,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=False,
        region=settings.region,
    )


def _key() -> str:
    return f"images/{uuid.uuid4().hex}"


if __name__ == "__main__":
    print(report(measure()))
