"""The whole authority: users, services and the server's own HTTPS certificate, over one database.

Every change of a certificate, a request or a list goes through here or through one of its parts.
"""

from __future__ import annotations

from caucase.authority.audit import AuditSink
from caucase.authority.context import ContextAuthority
from caucase.authority.document import Document
from caucase.authority.https import CredentialFile, HttpsIdentity
from caucase.authority.keyring import Keyring
from caucase.authority.policy import ContextName, Policy
from caucase.authority.principal import Principal, Users
from caucase.clock import Clock
from caucase.errors import ConfigError
from caucase.store import Database, Transaction, cas, issued, requests, revocations, settings

_NETLOC = "netloc"


class Authority:
    """Thread-safe. ``users`` is CAU, ``services`` is CAS."""

    def __init__(
        self, database: Database, policy: Policy, *, https_file: CredentialFile, clock: Clock, audit: AuditSink
    ) -> None:
        """ConfigError if the database belongs to another netloc."""
        self._database = database
        self._clock = clock
        counts = database.write(lambda transaction: _adopt(transaction, policy))
        keyrings = {
            name: Keyring(name, database, policy, clock=clock, audit=audit) for name in ContextName
        }

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

    def prepare(self) -> None:
        """Forget what has expired, then make what is missing or due: CA keys, the HTTPS certificate, lists."""
        now = self._clock()
        self.prune()
        for keyring in self._keyrings.values():
            keyring.ensure(now)
        self._https.ensure()
        for context in (self.users, self.services):
            context.lists.refresh(now)

    def prune(self) -> None:
        """Forget expired CAs, certificates, and requests and revocations that need not be kept any more."""
        seconds = int(self._clock().timestamp())

        def delete(transaction: Transaction) -> None:
            for name in ContextName:
                cas.delete_expired(transaction, name, seconds)
            for delete_expired in (requests.delete_expired, issued.delete_expired, revocations.delete_expired):
                delete_expired(transaction, seconds)

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

    def check_database(self) -> None:
        """A real read; StoreError."""
        self._database.check()


def _adopt(transaction: Transaction, policy: Policy) -> dict[ContextName, int]:
    """Remember the netloc, and hold to it; how many submissions are approved automatically."""
    netloc = str(policy.netloc)
    first = settings.first_setting(transaction, _NETLOC, netloc)
    if first != netloc:
        raise ConfigError(
            f"This CA was made for netloc {first}, and is now told {netloc}: the address is in its certificates.",
            f"Set netloc back to {first}, or start a new CA with an empty database.",
        )
    counts = {}
    for name, context in ((ContextName.CAU, policy.users), (ContextName.CAS, policy.services)):
        lock, count = f"{name}_auto_approve_count", str(context.auto_approve_count)
        if policy.lock_auto_approve_count:
            settings.first_setting(transaction, lock, count)
        counts[name] = int(settings.setting(transaction, lock) or count)
    return counts
