"""Certificates are looked at when a process starts, not when the first connection fails."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as forms

from services.kernel.errors import InvalidInput
from services.runtime.tls import Tls


@pytest.fixture
def files(tmp_path: Path) -> Tls:
    authority = trustme.CA()
    issued = authority.issue_cert("client@fovea.test")
    found = Tls(tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    issued.private_key_pem.write_to_path(tmp_path / "client.key")
    return found


def test_it_checks_the_other_end_and_its_name(files: Tls) -> None:
    for tls in (Tls(), files):
        context = tls.context()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_only_the_given_authority_is_trusted(files: Tls) -> None:
    assert len(Tls(files.ca_file).context().get_ca_certs()) == 1


def test_a_file_that_cannot_be_used_is_named_with_its_field(files: Tls, tmp_path: Path) -> None:
    prose = tmp_path / "prose.txt"
    prose.write_text("not a certificate")
    wrong = {
        "ca_file": [Tls(prose), Tls(tmp_path / "nowhere"), Tls(tmp_path)],
        "certificate_file": [
            Tls(None, prose, files.key_file),
            Tls(None, files.certificate_file, prose),
            Tls(None, files.certificate_file, tmp_path / "nowhere"),
            Tls(None, None, files.key_file),
        ],
        "key_file": [Tls(None, files.certificate_file)],
    }
    for field, cases in wrong.items():
        for tls in cases:
            with pytest.raises(InvalidInput) as caught:
                tls.context()
            assert caught.value.field == field


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(files: Tls, tmp_path: Path) -> None:
    assert files.key_file is not None
    key = forms.load_pem_private_key(files.key_file.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"x"))
    )

    with pytest.raises(InvalidInput, match="without a password"):
        Tls(None, files.certificate_file, locked).context()
