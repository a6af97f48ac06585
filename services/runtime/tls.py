"""Whom this process trusts at the other end of an encrypted connection, and what it shows of itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from services.kernel.errors import InvalidInput


@dataclass(frozen=True)
class Tls:
    """Files in PEM. Clients read them anew for each connection, so that a renewed certificate is used.

    Args:
        ca_file: Who vouches for the other end; without it, those that the system trusts.
        certificate_file: This process's own certificate with those above it, where it is asked for one.
        key_file: Its private key, without a password.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return what a connection is made with.

        Raises InvalidInput, with the name of the field, if a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is None:
            context.load_default_certs()
        else:
            self._trust(context, self.ca_file)
        self._show(context)
        return context

    @staticmethod
    def _trust(context: ssl.SSLContext, file: Path) -> None:
        try:
            context.load_verify_locations(file)
        except ssl.SSLError as error:
            raise InvalidInput(f"{file} holds no certificate in PEM", field="ca_file") from error
        except OSError as error:
            raise InvalidInput(f"{file} cannot be read: {error.strerror}", field="ca_file") from error

    def _show(self, context: ssl.SSLContext) -> None:
        if self.certificate_file is None and self.key_file is None:
            return
        if self.certificate_file is None or self.key_file is None:
            missing = "key_file" if self.key_file is None else "certificate_file"
            raise InvalidInput("certificate and key go together, and only one is there", field=missing)
        files = f"{self.certificate_file} and {self.key_file}"
        try:
            context.load_cert_chain(self.certificate_file, self.key_file, password="")
        except ssl.SSLError as error:
            message = f"{files} are no certificate and its key without a password, in PEM"
            raise InvalidInput(message, field="certificate_file") from error
        except OSError as error:
            message = f"{files} cannot be read: {error.strerror}"
            raise InvalidInput(message, field="certificate_file") from error
