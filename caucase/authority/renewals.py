"""Renewals: whoever holds the key of a valid certificate gets a new one, without asking anybody."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial

from cryptography import x509

from caucase.authority.audit import AuditEvent
from caucase.authority.issuer import Issued, Issuer
from caucase.authority.keyring import CaSet
from caucase.authority.use_case import Steps, use_case
from caucase.clock import Clock
from caucase.core import profile
from caucase.core.message import SignedMessage
from caucase.core.pem import CERTIFICATE, to_pem
from caucase.core.profile import Asked
from caucase.core.record import Kind, serial_text
from caucase.core.x509 import Serial, dump_der, load_certificate, load_request, public_key, spki_in
from caucase.errors import NotAcceptable
from caucase.store import Database, Transaction, issued


class Renewals:
    """The renewals of CAU or CAS. Thread-safe."""

    def __init__(self, issuer: Issuer, database: Database, *, clock: Clock) -> None:
        self.name = issuer.name
        self._issuer = issuer
        self._database = database
        self._clock = clock

    @use_case
    def renew(self, signed: SignedMessage, *, address: str) -> Steps[bytes]:
        """A new certificate, in PEM, for the holder of a valid one: who signed the message with its key.

        The same message again gets the same answer. Malformed, NotAcceptable, CertificateInvalid,
        DuplicateKey.
        """
        old = load_certificate(signed.text("crt_pem").encode("utf-8", "replace"))
        csr = load_request(signed.text("renew_csr_pem").encode("utf-8", "replace"))
        known = self._issuer.check_own(old)
        signed.check(public_key(old))
        return (yield from self._renewed(old, csr, address=address, known=known))

    @use_case
    def replace(self, old: x509.Certificate, csr_pem: bytes, *, address: str) -> Steps[bytes]:
        """Like ``renew``, where possession of the key was proven in another way: by opening a backup with it.

        The certificate may have expired, for nobody could renew it while there was no server. The new key must be
        another one. Malformed, NotAcceptable, CertificateInvalid if it is revoked.
        """
        csr = load_request(csr_pem)
        if spki_in(csr) == spki_in(old):
            raise NotAcceptable(
                "The request is made with the key that is to be replaced.", "Make a new key for it."
            )
        return (yield from self._renewed(old, csr, address=address))

    def _renewed(
        self,
        old: x509.Certificate,
        csr: x509.CertificateSigningRequest,
        *,
        address: str,
        known: CaSet | None = None,
    ) -> Steps[bytes]:
        profile.check_request(csr, backups=self._issuer.profile.backups)
        now = self._clock()
        digest = hashlib.sha256(dump_der(old) + dump_der(csr)).digest()
        renewed_from = Serial(old.serial_number)
        made = self._issuer.certify(
            csr,
            Asked.by(old),
            Kind.RENEWED,
            address=address,
            is_marked=profile.is_auto_signed(old),
            renewed_from=renewed_from,
            known=known,
        )
        answered = yield partial(self._store, old, digest, made, now)
        if answered == made.der:
            self._issuer.report(
                AuditEvent.CERTIFICATE_RENEWED,
                made.entry,
                address=address,
                renewed_from=serial_text(renewed_from),
            )
        return to_pem(answered, CERTIFICATE)

    def _store(
        self,
        old: x509.Certificate,
        digest: bytes,
        made: Issued,
        now: datetime,
        transaction: Transaction,
    ) -> bytes:
        """The certificate that is the answer, in DER: this one, or the one another thread has stored."""
        self._issuer.check_not_revoked(transaction, old)
        answered = issued.find_renewal(transaction, digest, int(now.timestamp()))
        if answered is not None:
            return answered
        key = made.entry.key_id
        assert key is not None, "of a certificate that was made here all is known"
        self._issuer.check_key_is_new(transaction, key, now)
        renewal = issued.RenewalRow(
            digest=digest,
            key_id=key,
            certificate=made.der,
            keep_until=self._issuer.kept_until(made),
        )
        issued.insert_renewal(transaction, self.name, renewal)
        self._issuer.record(transaction, made.entry)
        return renewal.certificate
