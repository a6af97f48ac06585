"""Certificates for tests, made anew by an authority that nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class Certificates:
    """PEM files in one folder.

    Args:
        folder: Where `public.crt` and `private.key` are, as MinIO wants them.
        ca: Who vouches.
    """

    folder: Path
    ca: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "public.crt"

    @property
    def key(self) -> Path:
        return self.folder / "private.key"

    @property
    def both(self) -> Path:
        """Key and certificate in one file, as Kafka wants them."""
        return self.folder / "both.pem"


def certificates(folder: Path, authority: trustme.CA, name: str) -> Certificates:
    """Return new ones for a host or a client."""
    folder.mkdir(parents=True)
    made = Certificates(folder, folder.parent / f"{folder.name}-ca.pem")
    issued = authority.issue_cert(name)
    authority.cert_pem.write_to_path(made.ca)
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    key = _pkcs8(issued.private_key_pem.bytes())
    made.certificate.write_bytes(chain)
    made.key.write_bytes(key)
    made.both.write_bytes(key + chain)
    return made


def _pkcs8(key: bytes) -> bytes:
    """Return a key in the form that Kafka reads."""
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
