"""TLS contexts of a client: one CA certificate to trust, and perhaps a certificate to show.

The system's store of certificate authorities is never consulted: a private authority is not in it.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509

from caucase.core.x509 import dump_pem
from caucase.errors import Malformed

# Forward secrecy with authenticated encryption; that much is all that TLS 1.3 has anyway. caucase 0.9 has it, too.
_TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class _Context(ssl.SSLContext):
    """Tells OpenSSL whom to expect, also when that is an IP address: urllib3 1.26 leaves those out."""

    host: str

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        kwargs["server_hostname"] = kwargs.get("server_hostname") or self.host
        return super().wrap_socket(sock, *args, **kwargs)


def verified_context(host: str, ca: x509.Certificate, user_key: Path | None) -> ssl.SSLContext:
    """TLS to ``host`` (a name or an IP address), whose certificate must come from ``ca``.

    ``user_key``: a file with our key and certificate, which match, or none to stay anonymous. Malformed if
    OpenSSL cannot use it.
    """
    context = _context(host, user_key)
    context.load_verify_locations(cadata=dump_pem(ca).decode("ascii"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def unverified_context(host: str, user_key: Path | None) -> ssl.SSLContext:
    """TLS to whoever answers: only for a server that does not publish its HTTPS CA."""
    context = _context(host, user_key)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(host: str, user_key: Path | None) -> ssl.SSLContext:
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # checks the chain and the host name, TLS 1.2 and later
    context.host = host
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS_1_2_CIPHERS)
    if user_key is not None:
        try:
            context.load_cert_chain(user_key)
        except ssl.SSLError as error:
            raise Malformed(
                f"{user_key}: OpenSSL cannot use this key and certificate ({error.reason}).",
                "Is the file whole, and the key RSA of 2048 bits or more, or EC?",
            ) from None
    return context
