"""The whole authority: users, services and the server's own HTTPS certificate, over one database.

Every change of a certificate, a request or a list goes through here or through one of its parts.
"""

from __future__ import annotations

from datetime import timedelta

from caucase.authority import inspection
from caucase.authority.audit import AuditSink
from caucase.authority.context import ContextAuthority
from caucase.authority.document import Document
from caucase.authority.https import CredentialFile, HttpsIdentity
from caucase.authority.keyring import Keyring
from caucase.authority.lists import REFRESH_AHEAD
from caucase.authority.policy import PROFILES, ContextName, Policy
from caucase.authority.principal import Principal, Users
from caucase.authority.status import Status
from caucase.clock import Clock
from caucase.store import Database, Transaction, cas, issued, requests, revocations, settings

# How far a clock may be ahead for a while, and nothing be lost.
_GRACE = timedelta(days=31)


class Authority:
    """Thread-safe. ``users`` is CAU, ``services`` is CAS."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        *,
        https_file: CredentialFile,
        clock: Clock,
        audit: AuditSink,
    ) -> None:
        """ConfigError if the database belongs to another netloc."""
        self._database = database
        self._clock = clock
        self._netloc = str(policy.netloc)
        counts = database.write(lambda transaction: _adopt(transaction, policy))
        keyrings = {name: Keyring(name, database, policy, clock=clock, audit=audit) for name in ContextName}

        def context(name: ContextName) -> ContextAuthority:
            return ContextAuthority(
                keyrings[name], database, policy, auto_approve_count=counts[name], clock=clock, audit=audit
            )

        self.users = context(ContextName.CAU)
        self.services = context(ContextName.CAS)
        self._keyrings = keyrings
        self._https = HttpsIdentity(
            keyrings[ContextName.HTTPS],
            keyrings[ContextName.CAS],
            policy,
            file=https_file,
            clock=clock,
            audit=audit,
        )
        self._authentication = Users(keyrings[ContextName.CAU], database, clock=clock, audit=audit)

    def maintain(self) -> None:
        """Forget what has expired, then make what is missing or due: CA keys, the HTTPS certificate, lists.

        ConfigError if certificates are to live too long for the CA there is.
        """
        now = self._clock()
        self.prune()
        for keyring in self._keyrings.values():
            keyring.check_period(now)
            keyring.ensure(now)
        self._https.ensure()
        for context in (self.users, self.services):
            context.lists.refresh(now, at=REFRESH_AHEAD)

    def prune(self) -> None:
        """Forget expired CAs, certificates, and requests and revocations that need not be kept any more.

        Not at once: nothing that a clock which is ahead for a while makes look expired may be lost.
        """
        now = self._clock()
        seconds, late = int(now.timestamp()), int((now - _GRACE).timestamp())
        settled = {name for name, keyring in self._keyrings.items() if keyring.is_settled(now)}

        def delete(transaction: Transaction) -> None:
            for name in ContextName:
                # Answers that are kept for a day only can be asked for again.
                answers = late if PROFILES[name].kept_for is None else seconds
                requests.delete_expired(transaction, name, answers)
                issued.delete_expired_renewals(transaction, name, answers)
                issued.delete_expired(transaction, name, late)
                if name in settled:
                    revocations.delete_expired(transaction, name, late)
                    cas.delete_expired(transaction, name, late)

        self._database.write(delete)

    def context(self, name: ContextName) -> ContextAuthority:
        return self.users if name is ContextName.CAU else self.services

    def authenticate(self, certificate_der: bytes | None, *, address: str) -> Principal:
        """Who presents this certificate; NotAuthenticated unless it is a valid user's."""
        return self._authentication.authenticate(certificate_der, address=address)

    def https_ca(self) -> Document:
        """Which CA the HTTPS certificate has, signed by CAS."""
        return self._https.ca_document()

    def user_cas_pem(self) -> bytes:
        """The CA certificates that a TLS client certificate may have, PEM."""
        return self.users.ca_certificates()

    def generation(self) -> int:
        """Moves whenever CA certificates change, whichever process changed them."""
        with self._database.read() as transaction:
            return settings.generations(transaction)

    def status(self) -> Status:
        """What there is, and what is next."""
        return inspection.status(
            self._database, self._keyrings, self._https, netloc=self._netloc, now=self._clock()
        )

    def count_pending(self) -> int:
        """How many requests wait for a user's decision, in both contexts; a real read of the database."""
        with self._database.read() as transaction:
            return sum(
                requests.count_pending(transaction, context.name) for context in (self.users, self.services)
            )


def _adopt(transaction: Transaction, policy: Policy) -> dict[ContextName, int]:
    """Remember the netloc, and hold to it; how many submissions are approved automatically."""
    netloc = str(policy.netloc)
    inspection.check_netloc(settings.first_setting(transaction, settings.NETLOC, netloc), netloc)
    counts = {}
    for name, context in ((ContextName.CAU, policy.users), (ContextName.CAS, policy.services)):
        lock, count = f"{name}_auto_approve_count", str(context.auto_approve_count)
        if policy.lock_auto_approve_count:
            settings.first_setting(transaction, lock, count)
        counts[name] = int(settings.setting(transaction, lock) or count)
    return counts
