"""Why brokers do not let this client in: asked once more, by hand, after the library had no answer.

The library says only that no broker answered. It tells nobody of a failed handshake, and what a broker says
when it hangs up, such as that the password is wrong, it drops if it reads that together with the end.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from kafka.errors import KafkaError, NoError, SaslAuthenticationFailedError, for_code
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from services.runtime.tls import Tls

_LOOK_S: Final = 2.0
_ALERT_S: Final = 0.5  # a broker refuses a client's certificate only after the handshake
_SOME_BYTES: Final = 65_536


class NotTrusted(KafkaError):  # type: ignore[misc]  # the library has no types
    """An encrypted connection does not come about, because one side does not trust the other."""


def refusal(config: Mapping[str, Any]) -> KafkaError | None:
    """Return what the first broker that can be reached has against a client, or None.

    Args:
        config: What the library's clients are told, encryption among it.
    """
    tls = Tls(config["ssl_cafile"], config["ssl_certfile"], config["ssl_keyfile"])
    for server in config["bootstrap_servers"]:
        try:
            return _greet(server, tls.context(), config)
        except OSError:  # not there, or not in time: that is no refusal
            continue
    return None


def _greet(server: str, context: ssl.SSLContext, config: Mapping[str, Any]) -> KafkaError | None:
    host, _, port = server.rpartition(":")
    with socket.create_connection((host, int(port)), _LOOK_S) as bare:
        try:
            with context.wrap_socket(bare, server_hostname=host) as connection:
                _wait_for_regret(connection)
                return _sign_in(connection, config) if "sasl_mechanism" in config else None
        except ssl.SSLCertVerificationError as error:
            return NotTrusted(f"{server} shows a certificate that is not trusted: {error.verify_message}")
        except ssl.SSLError as error:
            return NotTrusted(f"{server} does not agree to an encrypted connection: {error.reason or error}")


def _wait_for_regret(connection: ssl.SSLSocket) -> None:
    connection.settimeout(_ALERT_S)
    with suppress(TimeoutError):
        connection.recv(1)
    connection.settimeout(_LOOK_S)


def _sign_in(connection: ssl.SSLSocket, config: Mapping[str, Any]) -> KafkaError | None:
    protocol, name = KafkaProtocol(client_id="fovea"), config["sasl_mechanism"]
    error = for_code(_ask(connection, protocol, SaslHandshakeRequest(mechanism=name)).error_code)
    if error is not NoError:
        return error(f"{name} is not what the broker takes")
    mechanism = get_sasl_mechanism(name)(**config)
    while not mechanism.is_done():
        answer = _ask(connection, protocol, SaslAuthenticateRequest(mechanism.auth_bytes()))
        if answer.error_code:
            return SaslAuthenticationFailedError(answer.error_message)
        mechanism.receive(answer.auth_bytes)
    return None


def _ask(connection: ssl.SSLSocket, protocol: KafkaProtocol, request: Any) -> Any:
    """Return the answer to one request. Raises OSError if there is none."""
    request.API_VERSION = 1
    protocol.send_request(request)
    connection.sendall(protocol.send_bytes())
    while data := connection.recv(_SOME_BYTES):
        for _, answer in protocol.receive_bytes(data):
            return answer
    raise OSError("the broker hung up without a word")
