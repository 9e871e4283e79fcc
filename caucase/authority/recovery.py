"""What a restored database needs before anybody may see it: nothing that relying parties have seen goes back.

It works on an authority over a database that is still private, and cannot tell what users did after the backup, except
through lists that were published since.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from caucase.authority.authority import CRL_NUMBER_MAX, Authority
from caucase.authority.context import ContextAuthority
from caucase.authority.policy import ContextName
from caucase.clock import Clock
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial, authority_key_id, load_certificate_der, not_after, not_before
from caucase.errors import CertificateInvalid, Malformed, NotAcceptable
from caucase.store import Database, issued, revocations, settings

# A list's number grows with each revocation. The busiest server revokes hundreds a second, since each is a request
# over HTTPS, with a signature to be checked; this is more than that for all of the time since 1970, so no list that was
# published can have reached the number from which the restored server goes on, however often it was restored before,
# and from whichever backups. Even so, 64 bits last for 10^8 years.
NUMBERS_PER_SECOND = 1000
# Clocks of the machine that made the backup and of the one that restores it may differ by this much.
CLOCK_MARGIN = timedelta(days=1)

_LOCAL = "local"


class Recovery:
    """Brings a restored database up to the present. First ``replace``, then ``advance``; lists
    that were published since the backup are imported before both (``Authority.import_lists``)."""

    def __init__(self, authority: Authority, database: Database, *, clock: Clock) -> None:
        self._contexts = [authority.context(name) for name in (ContextName.CAU, ContextName.CAS)]
        self._users = authority.users
        self._database = database
        self._clock = clock

    def replace(self, key_id: KeyId, csr_pem: bytes, *, actor: str) -> bytes:
        """Renew the newest certificate of the user with that key for the request, and revoke the old one; the new one
        in PEM.

        NotAcceptable if there is none, or the request has the same key; CertificateInvalid if it was revoked since.
        """
        old = self._certificate(key_id)
        certificate = self._users.renewals.replace(old, csr_pem, address=_LOCAL)
        # An expired one needs no list to be refused.
        if not_after(old) >= self._clock():
            self._users.revocations.revoke_own(old, user=actor, address=_LOCAL)
        return certificate

    def advance(self, taken_at: datetime) -> None:
        """Number lists higher than any that was published since, and make them.

        NotAcceptable if the backup comes from the future, Malformed if it has numbers that no list can have.
        """
        now = self._clock()
        elapsed = now - taken_at
        if elapsed < -CLOCK_MARGIN:
            raise NotAcceptable(
                f"The backup was made on {taken_at:%Y-%m-%d %H:%M:%S} UTC, which is in the future.",
                "Set the clock of this machine.",
            )
        reached = int((now + CLOCK_MARGIN).timestamp()) * NUMBERS_PER_SECOND
        since = int((elapsed + CLOCK_MARGIN).total_seconds()) * NUMBERS_PER_SECOND
        for context in self._contexts:
            with self._database.read() as transaction:
                number = settings.counter(transaction, context.name, settings.CRL_NUMBER)
            if not 0 <= number <= CRL_NUMBER_MAX:
                raise Malformed(f"The number of a revocation list in the backup is {number}.")
            # Only a list that was imported can have brought a higher one.
            self._raise(context, reached if number <= reached else number + since)
            context.lists.refresh(now)

    def _raise(self, context: ContextAuthority, number: int) -> None:
        self._database.write(
            lambda transaction: settings.raise_counter(transaction, context.name, settings.CRL_NUMBER, number)
        )

    def _certificate(self, key_id: KeyId) -> x509.Certificate:
        with self._database.read() as transaction:
            stored = issued.select_certificates_of(transaction, ContextName.CAU, key_id)
            certificates = [load_certificate_der(der) for der in stored]
            if not certificates:
                raise NotAcceptable("There is no user certificate for this key in the backup.")
            newest = max(certificates, key=not_before)
            serial, issuer = Serial(newest.serial_number), authority_key_id(newest)
            if revocations.is_revoked(transaction, ContextName.CAU, serial, issuer):
                raise CertificateInvalid(
                    "The user certificate of this key was revoked after the backup.",
                    "Use the key of another user.",
                )
        return newest
