"""MinIO without containers: built once from its Go module, then one process over one folder."""

from __future__ import annotations

import secrets
import ssl
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final

from infra.local import daemons, go
from infra.local.daemons import Program
from infra.local.server import Running

VERSION: Final = "v0.0.0-20260212201848-7aac2a2c5b7c"
MODULE: Final = "github.com/minio/minio"
USER: Final = "fovea"


class MinioServer:
    """One MinIO, its data in one folder.

    Args:
        bucket: What services are told to keep their objects in; they make it.
        certificates: A folder with `public.crt` and `private.key`, to answer encrypted alone.
    """

    name = "minio"

    def __init__(self, *, bucket: str = "fovea", certificates: Path | None = None) -> None:
        self._bucket = bucket
        self._certificates = certificates

    def install(self, cache: Path) -> None:
        """Build it, which takes minutes the first time."""
        go.build(MODULE, VERSION, _binary(cache))

    def start(self, cache: Path, folder: Path) -> Running:
        """Start it with the secret that the folder has, a new one if the folder is new."""
        folder = folder.absolute()
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (port,) = daemons.free_ports(1)
        secret, address = _secret(folder / "secret"), f"127.0.0.1:{port}"
        environment = {
            "MINIO_ROOT_USER": USER,
            "MINIO_ROOT_PASSWORD": secret,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        command = [str(_binary(cache)), "server", "data", "--address", address, "--quiet"]
        scheme = "http"
        if self._certificates is not None:
            scheme, command = "https", [*command, "--certs-dir", str(self._certificates)]
        daemon = daemons.start(Program("minio", command, folder, environment))
        settings = {
            "FOVEA_S3_ENDPOINT": f"{scheme}://{address}",
            "FOVEA_S3_BUCKET": self._bucket,
            "FOVEA_S3_ACCESS_KEY": USER,
            "FOVEA_S3_SECRET_KEY": secret,
        }
        running = Running([daemon], settings)
        try:
            daemons.wait_ready(daemon, lambda: answers(f"{scheme}://{address}/minio/health/cluster"))
        except BaseException:
            running.stop()
            raise
        return running


def answers(url: str) -> bool:
    """Return whether a GET of a URL of this machine succeeds, whatever certificate it shows."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError), urllib.request.urlopen(url, timeout=2, context=anybody) as reply:  # noqa: S310
        return bool(reply.status == 200)  # noqa: PLR2004
    return False


def _binary(cache: Path) -> Path:
    return cache / f"minio-{VERSION}" / "minio"


def _secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16), encoding="utf-8")
    return file.read_text(encoding="utf-8")
