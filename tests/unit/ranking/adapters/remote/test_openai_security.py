"""What an endpoint keeps to itself, and what it does not take from whoever answers."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from services.kernel.errors import InvalidInput
from services.ranking.adapters.openai import OpenAiEndpoint, OpenAiSettings
from services.ranking.adapters.remote.asking import MOST_ANSWER_BYTES
from services.ranking.adapters.remote.wire import WireSettings
from tests.fakes import openai_behaviours, openai_server
from tests.fakes.openai_behaviours import fails
from tests.fakes.openai_server import MODEL, OpenAiServer, serving
from tests.unit.ranking.adapters.remote.endpoint import KEY, answered, raised


def test_a_redirect_is_not_followed_for_it_would_carry_the_key_elsewhere(fake: OpenAiServer) -> None:
    with serving(OpenAiServer()) as elsewhere:
        raised(fake, fails(307, b"", {"Location": f"{elsewhere.url}/chat/completions"}), key=KEY)

        assert elsewhere.headers == []


def test_what_is_compressed_is_not_unpacked(fake: OpenAiServer) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    error = raised(fake, fails(200, bomb, {"Content-Encoding": "gzip"}))

    assert error.reason == "RANKER_ANSWER"
    assert fake.headers[0]["Accept-Encoding"] == "identity"


def test_an_answer_without_end_is_not_read_to_its_end(fake: OpenAiServer) -> None:
    assert str(MOST_ANSWER_BYTES) in raised(fake, openai_behaviours.floods).message


def test_the_key_is_sent_and_never_said(fake: OpenAiServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.key = KEY
    answered(fake, key=KEY)
    fake.behaviours.append(fails(400, openai_server.failure(f"the key {KEY} has no right to this model")))
    told = raised(fake, key=KEY)
    fake.key = "another"
    refused = raised(fake, key=KEY)
    settings = OpenAiSettings(WireSettings(fake.url, SecretStr(KEY)), MODEL)

    assert fake.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "has no right" in told.message
    assert refused.reason == "RANKER_NOT_ALLOWED"
    chain = [told, refused, told.__cause__, told.__context__, refused.__context__, settings]
    assert KEY not in " ".join(map(repr, chain)) + told.message + refused.message + caplog.text


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/v1", "http://127.evil.example/v1", "http://localhost.example/v1"]
)
def test_a_key_is_not_sent_where_all_can_read_it(url: str) -> None:
    with pytest.raises(InvalidInput, match="https"):
        OpenAiEndpoint(OpenAiSettings(WireSettings(url, SecretStr(KEY)), MODEL))


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host/v1", "https://me:word@host/v1", "https://host/v1?x=1"]
)
def test_an_address_is_one_of_the_web_without_secrets_in_it(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        OpenAiEndpoint(OpenAiSettings(WireSettings(url), MODEL))

    assert refused.value.field == "remote_ranker_url"
    assert "word" not in refused.value.message


def test_no_proxy_is_taken_from_the_environment(fake: OpenAiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert answered(fake).listed


def test_certificates_are_checked(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    files = {name: tmp_path / name for name in ("server", "ca", "other")}
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(files["server"])
    authority.cert_pem.write_to_path(files["ca"])
    other.cert_pem.write_to_path(files["other"])

    with serving(OpenAiServer(), files["server"]) as fake:
        assert answered(fake, ca_file=files["ca"]).listed
        for stranger in (files["other"], None):
            assert raised(fake, ca_file=stranger, key=KEY).reason == "RANKER_NOT_TRUSTED"
        assert len(fake.headers) == 1
