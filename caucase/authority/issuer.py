"""Issues certificates of one context and recognises its own; what requests and renewals have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.keyring import Ca, CaSet, Keyring
from caucase.authority.policy import PROFILES, ContextName, Policy
from caucase.clock import Clock
from caucase.core import profile
from caucase.core.issue import Validity, issue_der, serial_at
from caucase.core.profile import Asked
from caucase.core.record import Entry, Kind, alternative_names, serial_text
from caucase.core.spki import KeyId, key_id_of
from caucase.core.x509 import Serial, authority_key_id, check_validity, spki_in
from caucase.errors import CertificateInvalid, DuplicateKey
from caucase.store import Database, Transaction, record, requests, revocations


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate that was made just now, in DER, and what the record will say of it. It is not stored yet."""

    der: bytes
    entry: Entry


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
        kind: Kind,
        *,
        address: str,
        actor: str | None = None,
        is_marked: bool = False,
        renewed_from: Serial | None = None,
        known: CaSet | None = None,
    ) -> Issued:
        """A certificate for the key of ``csr`` that says what was ``asked``, within the rules.

        ``kind`` to ``renewed_from``: for the record. ``is_marked``: it carries the mark of automatic signing.
        ``known``: the CAs, where they have just been read.
        """
        now = self._clock()
        signer = self._keyring.signer(known)
        issuer, serial = signer.key_id, serial_at(now)
        info = spki_in(csr)
        key_id = key_id_of(info)
        validity = Validity.starting(now, self.policy.validity).within(signer.not_after)
        url = f"http://{self._netloc.authority}/{self.name}/crl/{int.from_bytes(issuer, 'big')}.der"
        der = issue_der(
            signer,
            info=info,
            subject=asked.subject,
            extensions=profile.leaf_extensions(
                asked,
                key_id=key_id,
                issuer=issuer,
                crl_url=url if self.profile.publishes_crl_url else None,
                auto_signed=is_marked,
            ),
            validity=validity,
            serial=serial,
        )
        entry = Entry(
            kind=kind,
            at=int(now.timestamp()),
            serial=serial,
            subject=asked.subject.rfc4514_string(),
            names=alternative_names(asked.extensions),
            key_id=key_id,
            issuer=issuer,
            not_before=int(validity.not_before.timestamp()),
            not_after=int(validity.not_after.timestamp()),
            address=address,
            actor=actor,
            renewed_from=renewed_from,
        )
        return Issued(der=der, entry=entry)

    def cas(self, transaction: Transaction) -> CaSet:
        """The CAs as they are now."""
        return self._keyring.snapshot(transaction)

    def kept_until(self, made: Issued) -> int:
        """For how long an answer with this certificate is kept; Unix seconds."""
        kept = self.profile.kept_for
        return made.entry.not_after if kept is None else int((self._clock() + kept).timestamp())

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
