"""Kafka with a guarded door: what clients must bring."""

from __future__ import annotations

from dataclasses import dataclass

from infra.local import daemons
from infra.local.kafka import Door, Extra
from tests.integration.security.certificates import Certificates

USER = "fovea"
PASSWORD = "a-great-secret-of-kafka"  # noqa: S105  (of a server that lives as long as a test)
_LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Doors:
    """Ways into one broker.

    Args:
        password: Encrypted; asks for user and password.
        certificate: Encrypted; asks for a certificate.
    """

    password: Door
    certificate: Door

    @property
    def all(self) -> tuple[Door, ...]:
        return (self.password, self.certificate)


def doors() -> Doors:
    ports = daemons.free_ports(2)
    return Doors(Door("PASSWORD", "SASL_SSL", ports[0]), Door("CERTIFICATE", "SSL", ports[1]))


def guarded(doors: Doors, certificates: Certificates) -> Extra:
    """Return what makes a broker ask."""
    properties = f"""
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location={certificates.both}
ssl.truststore.type=PEM
ssl.truststore.location={certificates.ca}
listener.name.certificate.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.password.scram-sha-512.sasl.jaas.config={_LOGIN}.scram.ScramLoginModule required;
listener.name.password.plain.sasl.jaas.config={_LOGIN}.plain.PlainLoginModule required \\
  user_{USER}="{PASSWORD}";
"""
    scram = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
    return Extra(doors.all, properties, scram)
