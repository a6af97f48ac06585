"""Buckets for tests."""

from __future__ import annotations

import uuid
from typing import Any

from pydantic import SecretStr

from infra.local.server import Running
from services.runtime.object_store.minio import MinioSettings


def a_bucket(server: Running, **changed: Any) -> MinioSettings:
    """Return how to reach a server, with a bucket that nobody else has."""
    settings = server.settings
    given = {
        "endpoint": settings["FOVEA_S3_ENDPOINT"],
        "bucket": f"test-{uuid.uuid4().hex}",
        "access_key": settings["FOVEA_S3_ACCESS_KEY"],
        "secret_key": SecretStr(settings["FOVEA_S3_SECRET_KEY"]),
    }
    return MinioSettings(**{**given, **changed})
