"""Who can open a backup: the holders of user certificates that are valid and not revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from caucase.authority.policy import ContextName
from caucase.core.keys import PublicKey
from caucase.core.spki import KeyId, key_id
from caucase.core.x509 import Serial, authority_key_id, check_validity, load_certificate_der, public_key
from caucase.errors import CaucaseError
from caucase.store import Transaction, issued, revocations


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A user for whom something can be encrypted, by a certificate that is valid and not revoked. ``subject``: RFC
    4514.
    """

    subject: str
    key: PublicKey
    certificate: x509.Certificate


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A certificate of a user that cannot be used, although it should be possible, and why."""

    key_id: KeyId
    reason: str


def holders(transaction: Transaction, now: datetime) -> tuple[list[Holder], list[Unusable]]:
    """One holder for each key, and what could not be read."""
    usable: dict[KeyId, Holder] = {}
    unusable = []
    for identifier, der in issued.select_certificates(transaction, ContextName.CAU, int(now.timestamp())):
        try:
            certificate = load_certificate_der(der)
            issuer = authority_key_id(certificate)
        except CaucaseError as error:
            unusable.append(Unusable(key_id=identifier, reason=error.message))
            continue
        serial = Serial(certificate.serial_number)
        if revocations.is_revoked(transaction, ContextName.CAU, serial, issuer):
            continue
        try:
            check_validity(certificate, now)
        except CaucaseError:
            continue
        key = public_key(certificate)
        usable[key_id(key)] = Holder(
            subject=certificate.subject.rfc4514_string(), key=key, certificate=certificate
        )
    return list(usable.values()), unusable
