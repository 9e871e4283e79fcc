"""Revocation by a certificate's holder, or by a user."""

from __future__ import annotations

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.issuer import Issuer
from caucase.authority.lists import RevocationLists
from caucase.authority.principal import Principal
from caucase.authority.use_case import Steps, use_case
from caucase.clock import Clock
from caucase.core.message import SignedMessage
from caucase.core.x509 import SERIAL_MAX, Serial, check_validity, load_certificate, public_key
from caucase.errors import Malformed, NotAuthenticated
from caucase.store import Database


class Revocations:
    """The revocations of CAU or CAS. Thread-safe."""

    def __init__(
        self, issuer: Issuer, lists: RevocationLists, database: Database, *, clock: Clock, audit: AuditSink
    ) -> None:
        self.name = issuer.name
        self._issuer = issuer
        self._lists = lists
        self._database = database
        self._clock = clock
        self._audit = audit

    @use_case
    def revoke(self, message: SignedMessage, *, by: Principal | None, address: str) -> Steps[None]:
        """Revoke a certificate. A message signed with its key needs nobody; one without signature needs a
        user.

        Malformed, CertificateInvalid, NotAuthenticated, AlreadyRevoked.
        """
        if message.is_null and by is None:
            raise NotAuthenticated("A message without signature needs a user's certificate.")
        user = "its holder" if by is None or not message.is_null else by.subject
        if message.is_null and "revoke_serial" in message.fields:
            serial = _serial(message.fields["revoke_serial"])
            yield self._lists.revocation_of_serial(serial, user=user, address=address)
        else:
            certificate = load_certificate(message.text("revoke_crt_pem").encode("utf-8", "replace"))
            issuer = self._issuer.issuer_of(certificate)
            if not message.is_null:
                message.check(public_key(certificate))
            check_validity(certificate, self._clock())
            yield self._lists.revocation_of(certificate, issuer, user=user, address=address)
            serial = Serial(certificate.serial_number)
        self._report(serial, user=user, address=address)

    @use_case
    def revoke_own(self, certificate: x509.Certificate, *, user: str, address: str) -> Steps[None]:
        """Revoke a certificate of this context's that was found in the database. CertificateInvalid, AlreadyRevoked."""
        issuer = self._issuer.issuer_of(certificate)
        yield self._lists.revocation_of(certificate, issuer, user=user, address=address)
        self._report(Serial(certificate.serial_number), user=user, address=address)

    def _report(self, serial: Serial, *, user: str, address: str) -> None:
        self._audit(
            AuditEvent.CERTIFICATE_REVOKED,
            context=self.name,
            serial=f"{serial:x}",
            user=user,
            address=address,
        )


def _serial(value: object) -> Serial:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= SERIAL_MAX:
        raise Malformed("A serial is a positive integer of at most 20 octets.")
    return Serial(value)
