"""Who may sign, reject and revoke: holders of a valid certificate of any valid user CA."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.keyring import Ca, Keyring
from caucase.clock import Clock
from caucase.core.spki import KeyId
from caucase.core.x509 import (
    Serial,
    authority_key_id,
    check_dates,
    key_id_in,
    load_certificate_der,
    not_after,
    not_before,
)
from caucase.errors import CaucaseError, NotAuthenticated, StoreError
from caucase.store import Database, revocations

# Parsing and checking a signature is the expensive part, and its outcome never changes. More users than this
# at once only cost time.
_REMEMBERED = 1024

_HINT = "Present a user certificate that is valid and not revoked."


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who decides: a user, as the certificate says, or whoever runs a command on the server. ``subject``: RFC
    4514.
    """

    subject: str
    serial: Serial | None
    key_id: KeyId | None

    @classmethod
    def local(cls, user_id: int) -> Principal:
        """Who runs a command on the server, under that operating system user id."""
        return cls(subject=f"local user {user_id}", serial=None, key_id=None)


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A certificate that ``issuer`` signed, valid from ``start`` to ``end``."""

    principal: Principal
    serial: Serial
    start: datetime
    end: datetime
    issuer: Ca


class Users:
    """Authentication by user certificate. Thread-safe."""

    def __init__(self, keyring: Keyring, database: Database, *, clock: Clock, audit: AuditSink) -> None:
        self._keyring = keyring
        self._database = database
        self._clock = clock
        self._audit = audit
        self._checked: dict[bytes, _Checked] = {}

    def authenticate(self, certificate_der: bytes | None, *, address: str) -> Principal:
        """Who that certificate's holder is, in this very moment; NotAuthenticated, or StoreError if nobody can tell."""
        if certificate_der is None:
            raise NotAuthenticated("This needs a user's certificate.", _HINT)
        try:
            return self._authenticate(certificate_der)
        except StoreError:
            raise
        except CaucaseError as error:
            self._audit(
                AuditEvent.AUTHENTICATION_REFUSED, context="cau", address=address, reason=error.message
            )
            raise NotAuthenticated(error.message, _HINT) from error

    def _authenticate(self, certificate_der: bytes) -> Principal:
        now = self._clock()
        with self._database.read() as transaction:
            current = self._keyring.snapshot(transaction)
            checked = self._checked.get(certificate_der)
            if checked is None:
                certificate = load_certificate_der(certificate_der)
                issuer = current.find(authority_key_id(certificate), now)
                if issuer is None or not issuer.signed(certificate):
                    raise NotAuthenticated(
                        "The certificate was not issued by a valid user CA of this server."
                    )
                checked = self._remember(certificate_der, certificate, issuer)
            elif current.find(checked.issuer.key_id, now) is None:
                raise NotAuthenticated("The CA of the certificate has expired.")
            check_dates(checked.start, checked.end, now)
            if revocations.is_revoked(transaction, self._keyring.name, checked.serial, checked.issuer.key_id):
                raise NotAuthenticated("The certificate is revoked.")
        return checked.principal

    def _remember(self, certificate_der: bytes, certificate: x509.Certificate, issuer: Ca) -> _Checked:
        serial = Serial(certificate.serial_number)
        principal = Principal(
            serial=serial, key_id=key_id_in(certificate), subject=certificate.subject.rfc4514_string()
        )
        checked = _Checked(
            principal=principal,
            serial=serial,
            start=not_before(certificate),
            end=not_after(certificate),
            issuer=issuer,
        )
        if len(self._checked) >= _REMEMBERED:
            self._checked = {}
        self._checked[certificate_der] = checked
        return checked
