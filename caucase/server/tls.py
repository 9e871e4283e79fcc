"""TLS of the HTTPS listeners: certificate and client CAs change without a restart, and nobody is dropped.

Every connection is made with what is current when it begins, whatever name it asks for, and can only resume a
session that was made with the same. Keys are read from the server's key file, and never written.
"""

from __future__ import annotations

import logging
import os
import ssl
from datetime import timedelta
from typing import TypeAlias

from cryptography import x509

from caucase import clock
from caucase.core.issue import Validity, issue_ca, random_serial
from caucase.core.keys import KeyType
from caucase.core.x509 import dump_pem, dump_private_key
from caucase.errors import CaucaseError
from caucase.server.site import Service, Site

# Forward secrecy with authenticated encryption; that much is all that TLS 1.3 has anyway.
_TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_ALPN = "http/1.1"

# Nobody is to trust it for a moment; some clients refuse very long ones before they say anything else.
_THROWAWAY_LIFE = timedelta(days=30)

_Version: TypeAlias = tuple[Service, int, int, int, int]

_logger = logging.getLogger(__name__)


class Tls:
    """TLS of a site. For use by the event loop's thread alone."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._current: ssl.SSLContext | None = None
        self._version: _Version | None = None
        self._complaint = ""

    def current(self) -> ssl.SSLContext:
        """The context for the next connection. What cannot be used is logged once, and changes nothing."""
        service = self._site.service
        if service is not None:
            try:
                version = _version(service)
                if version != self._version:
                    self._current, self._version = _service_context(service), version
                self._complaint = ""
            except (CaucaseError, OSError, ValueError) as error:  # ssl.SSLError is an OSError
                if str(error) != self._complaint:
                    self._complaint = str(error)
                    _logger.error("HTTPS goes on as before, %s cannot be used: %s", service.server_key, error)
        if self._current is None:
            self._current = throwaway_context()
        return self._current


def _version(service: Service) -> _Version:
    """What a context is made of."""
    status = service.server_key.stat()
    return service, service.authority.generation(), status.st_mtime_ns, status.st_ino, status.st_size


def _service_context(service: Service) -> ssl.SSLContext:
    context = _context()
    context.load_cert_chain(service.server_key, password=_no_passphrase)
    context.load_verify_locations(cadata=service.authority.user_cas_pem().decode("ascii"))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def throwaway_context() -> ssl.SSLContext:
    """For a server that nobody told its name: a fresh key and a meaningless certificate, in memory only."""
    now = clock.now()
    signer = issue_ca(
        KeyType.parse("ec:P-256").generate(),
        subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "caucased without configuration")]),
        extensions=[],
        validity=Validity.starting(now, _THROWAWAY_LIFE),
        serial=random_serial(),
    )
    context = _context()
    # OpenSSL wants a file.
    descriptor = os.memfd_create("caucased", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, dump_private_key(signer.key) + dump_pem(signer.certificate))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3, no compression, no renegotiation, no client certificates asked for, no key yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_TLS_1_2_CIPHERS)
    context.set_alpn_protocols([_ALPN])
    return context


def _no_passphrase() -> str:
    """Without this OpenSSL would ask on the terminal."""
    raise ValueError("the key is protected by a passphrase")
