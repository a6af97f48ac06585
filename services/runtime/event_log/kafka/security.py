"""How a client is let in by brokers: encrypted or not, with a password or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from services.runtime.settings import KafkaMechanism, KafkaSecurity, ProcessSettings
from services.runtime.tls import Tls


@dataclass(frozen=True)
class Security:
    """What a client of Kafka is told of it. The words are Kafka's own.

    A password is never sent over a connection that is not encrypted: there is no SASL_PLAINTEXT.

    Args:
        protocol: PLAINTEXT, SSL for encryption, SASL_SSL for encryption and a password.
        tls: Whom to trust, and what to show.
        mechanism: How the password is proven.
        user: Whose it is.
        password: Never shown.
    """

    protocol: KafkaSecurity = "PLAINTEXT"
    tls: Tls = field(default_factory=Tls)
    mechanism: KafkaMechanism = "SCRAM-SHA-512"
    user: str = ""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))

    @classmethod
    def of(cls, settings: ProcessSettings) -> Security:
        """Return what the settings say of it."""
        return cls(
            protocol=settings.kafka_security,
            tls=settings.kafka_tls,
            mechanism=settings.kafka_mechanism,
            user=settings.kafka_user,
            password=settings.kafka_password,
        )

    def config(self) -> dict[str, Any]:
        """Return it in the words of the client library, which reads the files at each connection."""
        told: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol != "PLAINTEXT":
            told |= {
                "ssl_cafile": self.tls.ca_file,
                "ssl_certfile": self.tls.certificate_file,
                "ssl_keyfile": self.tls.key_file,
            }
        if self.protocol == "SASL_SSL":
            told |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        return told
