"""The server's own HTTPS certificate: issued by a CA that can speak for this one host, renewed in time,
vouched for by CAS.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Protocol

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.document import Document
from caucase.authority.keyring import Keyring
from caucase.authority.policy import Policy
from caucase.clock import Clock
from caucase.core import message, profile
from caucase.core.issue import Validity, issue, random_serial
from caucase.core.keys import KeyType
from caucase.core.spki import key_id, spki
from caucase.core.x509 import (
    authority_key_id,
    dump_pem,
    dump_private_key,
    load_certificates,
    load_private_key,
    not_after,
    not_before,
    spki_in,
)
from caucase.errors import CaucaseError, NotFound

# Whatever the CA has: a handshake takes a fraction of the time that RSA needs, and so does loading the key at
# each start.
_KEY_TYPE = KeyType(algorithm="ec", size="P-256")


class CredentialFile(Protocol):
    """Where key and certificate are kept, as PEM in one file that nobody else can read."""

    def read(self) -> bytes | None:
        """The content, ``None`` if there is no file yet."""

    def write(self, content: bytes) -> None:
        """Replace the content as one."""


class HttpsIdentity:
    """Key and certificate of the HTTPS server. Thread-safe."""

    def __init__(
        self,
        keyring: Keyring,
        services: Keyring,
        policy: Policy,
        *,
        file: CredentialFile,
        clock: Clock,
        audit: AuditSink,
    ) -> None:
        self._keyring = keyring
        self._services = services
        self._policy = policy
        self._file = file
        self._clock = clock
        self._audit = audit
        self._making = threading.Lock()
        self._document: tuple[bytes, bytes, Document] | None = None

    def ensure(self) -> bool:
        """Make key and certificate if there are none to use, or the end is near; whether it did."""
        with self._making:
            now = self._clock()
            certificate = self._current()
            if certificate is not None and not self._is_due(certificate, now):
                return False
            self._make(now)
            return True

    def dates(self) -> tuple[datetime, datetime] | None:
        """When the certificate is renewed, and when it ends; ``None`` while there is none to use."""
        certificate = self._current()
        if certificate is None:
            return None
        return not_after(certificate) - self._policy.threshold, not_after(certificate)

    def _is_due(self, certificate: x509.Certificate, now: datetime) -> bool:
        # One from the future (the clock was put back) is refused by clients whose clocks are right.
        return now < not_before(certificate) or now >= not_after(certificate) - self._policy.threshold

    def _current(self) -> x509.Certificate | None:
        """The certificate in the file, if it fits its key, this server and one of its valid CAs."""
        content = self._file.read()
        if content is None:
            return None
        try:
            key = load_private_key(content)
            certificate = next(iter(load_certificates(content)), None)
        except CaucaseError:
            return None
        if certificate is None or spki_in(certificate) != spki(key.public_key()):
            return None
        issuer = self._keyring.snapshot().find(authority_key_id(certificate), self._clock())
        return certificate if issuer is not None and issuer.signed(certificate) else None

    def _make(self, now: datetime) -> None:
        signer = self._keyring.lasting_signer()
        key = _KEY_TYPE.generate()
        extensions = profile.https_leaf_extensions(
            self._policy.netloc, key_id=key_id(key.public_key()), issuer=signer.key_id
        )
        certificate = issue(
            signer,
            key=key.public_key(),
            subject=x509.Name([]),
            extensions=extensions,
            validity=Validity.starting(now, self._policy.services.validity),
            serial=random_serial(),
        )
        self._file.write(dump_private_key(key) + dump_pem(certificate))
        self._audit(
            AuditEvent.HTTPS_CERTIFICATE_ISSUED,
            context=self._keyring.name,
            serial=f"{certificate.serial_number:x}",
            subject=str(self._policy.netloc),
        )

    def ca_document(self) -> Document:
        """``{https_ca_pem}`` in a message signed with the signing CAS key: which CA the HTTPS certificate
        has.
        """
        certificate = self._current()
        if certificate is None:
            raise NotFound("The server has no HTTPS certificate yet.")
        ca = self._keyring.snapshot().find(authority_key_id(certificate), self._clock())
        if ca is None:
            raise NotFound("The CA of the HTTPS certificate has expired.")
        signer = self._services.signer()
        cached = self._document
        signed_by = signer.key_id
        # A signature differs each time; the same answer twice is what makes it cacheable.
        if cached is None or cached[:2] != (ca.key_id, signed_by):
            payload = {"https_ca_pem": dump_pem(ca.certificate).decode("ascii")}
            body = message.sign(payload, signer.key).dump()
            cached = self._document = (ca.key_id, signed_by, Document.of(body, self._clock()))
        return cached[2]
