"""Issues certificates of one context and recognises its own; what requests and renewals have in common."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.keyring import Ca, CaSet, Keyring
from caucase.authority.policy import PROFILES, ContextName, Policy
from caucase.clock import Clock
from caucase.core import profile
from caucase.core.issue import Validity, issue, random_serial
from caucase.core.profile import Asked
from caucase.core.record import Entry, Kind, issued, serial_text
from caucase.core.x509 import (
    KeyId,
    Serial,
    authority_key_id,
    check_validity,
    not_after,
    public_key,
)
from caucase.errors import CertificateInvalid, DuplicateKey
from caucase.store import Database, Transaction, record, requests, revocations


class Issuer:
    """Issues for CAU or CAS. Thread-safe."""

    def __init__(
        self, keyring: Keyring, database: Database, policy: Policy, *, clock: Clock, audit: AuditSink
    ) -> None:
        self.name = keyring.name
        self.profile = PROFILES[keyring.name]
        self.policy = policy.users if keyring.name is ContextName.CAU else policy.services
        self._netloc = policy.netloc
        self._keyring = keyring
        self._database = database
        self._clock = clock
        self._audit = audit

    def certify(
        self,
        csr: x509.CertificateSigningRequest,
        asked: Asked,
        *,
        auto_signed: bool,
        known: CaSet | None = None,
    ) -> x509.Certificate:
        """A certificate for the key of ``csr`` that says what was ``asked``, within the rules.

        ``known``: the CAs, where they have just been read.
        """
        signer = self._keyring.signer(known)
        issuer, key = signer.key_id, public_key(csr)
        url = f"http://{self._netloc.authority}/{self.name}/crl/{int.from_bytes(issuer, 'big')}.der"
        return issue(
            signer,
            key=key,
            subject=asked.subject,
            extensions=profile.leaf_extensions(
                asked,
                key=key,
                issuer=issuer,
                crl_url=url if self.profile.publishes_crl_url else None,
                auto_signed=auto_signed,
            ),
            validity=Validity.starting(self._clock(), self.policy.validity),
            serial=random_serial(),
        )

    def cas(self, transaction: Transaction) -> CaSet:
        """The CAs as they are now."""
        return self._keyring.snapshot(transaction)

    def kept_until(self, certificate: x509.Certificate) -> datetime:
        """For how long an answer with this certificate is kept."""
        kept = self.profile.kept_for
        return not_after(certificate) if kept is None else self._clock() + kept

    def issuer_of(self, certificate: x509.Certificate) -> Ca:
        """The valid CA of this context that issued the certificate; CertificateInvalid."""
        return self._issuer_among(self._keyring.ensure(self._clock()), certificate)

    def _issuer_among(self, current: CaSet, certificate: x509.Certificate) -> Ca:
        issuer = current.find(authority_key_id(certificate), self._clock())
        if issuer is None or not issuer.signed(certificate):
            raise CertificateInvalid(
                f"The certificate was not issued by a valid {self.name.upper()} CA of this server."
            )
        return issuer

    def check_own(self, certificate: x509.Certificate) -> CaSet:
        """CertificateInvalid unless it is ours, within its dates, and not revoked. The CAs as they are now."""
        with self._database.read() as transaction:
            current = self._keyring.snapshot(transaction)
            self._issuer_among(current, certificate)
            check_validity(certificate, self._clock())
            self.check_not_revoked(transaction, certificate)
        return current

    def check_not_revoked(self, transaction: Transaction, certificate: x509.Certificate) -> None:
        """CertificateInvalid if it is revoked."""
        serial = Serial(certificate.serial_number)
        if revocations.is_revoked(transaction, self.name, serial, authority_key_id(certificate)):
            raise CertificateInvalid("The certificate is revoked.")

    def check_key_is_new(self, transaction: Transaction, key: KeyId, now: datetime) -> None:
        """DuplicateKey where a key may have one entry only and this one has."""
        if self.profile.unique_keys and requests.key_is_known(
            transaction, self.name, key, int(now.timestamp())
        ):
            raise DuplicateKey("There is another request for the same key.", "Make a new key for this one.")

    def entry(
        self,
        certificate: x509.Certificate,
        kind: Kind,
        *,
        address: str,
        actor: str | None = None,
        renewed_from: Serial | None = None,
    ) -> Entry:
        """What the record will say of a certificate that was made just now."""
        return issued(
            certificate,
            kind,
            at=int(self._clock().timestamp()),
            address=address,
            actor=actor,
            renewed_from=renewed_from,
        )

    def record(self, transaction: Transaction, entry: Entry) -> None:
        """Store, with the certificate itself, that it was issued."""
        record.append(transaction, self.name, entry)

    def report(self, event: AuditEvent, entry: Entry, **fields: str | int | None) -> None:
        """Tell the audit that it was issued."""
        assert entry.key_id is not None, "of a certificate that was made here all is known"
        self._audit(
            event,
            context=self.name,
            serial=serial_text(entry.serial),
            key_id=entry.key_id.hex(),
            subject=entry.subject,
            **fields,
        )
