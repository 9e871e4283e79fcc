"""The whole authority: users, services and the server's own HTTPS certificate, over one database.

Every change of a certificate, a request or a list goes through here or through one of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TypeVar

from cryptography import x509

from caucase.authority import inspection
from caucase.authority.adoption import adopt_cas
from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.context import ContextAuthority
from caucase.authority.document import Document
from caucase.authority.https import CredentialFile, HttpsIdentity
from caucase.authority.keyring import Keyring
from caucase.authority.lists import REFRESH_AHEAD
from caucase.authority.policy import PROFILES, ContextName, Policy, lock_name
from caucase.authority.principal import Principal, Users
from caucase.authority.record import report_new_heads
from caucase.authority.status import ContextStatus, Status
from caucase.authority.use_case import Storage
from caucase.clock import Clock, monotonic, sleep
from caucase.core.issue import Signer
from caucase.core.spki import KeyId
from caucase.core.x509 import crl_number, dump_pem, is_signed_by
from caucase.errors import Malformed, NotFound, Untrusted
from caucase.store import Database, Transaction, cas, issued, record, requests, revocations, settings

T = TypeVar("T")

# How far a clock may be ahead for a while, and nothing be lost.
_GRACE = timedelta(days=31)

# Rows that are deleted in one transaction: some milliseconds.
PRUNE_BATCH = 100
# Pauses are so many times as long as what was done before them: the turn to write, and the disk, are others' for most
# of the time, however slow it is.
_PRUNE_PAUSE = 3

# SQLite counts to 2^63; whoever publishes a list each microsecond gets here in 100,000 years.
CRL_NUMBER_MAX = 1 << 62


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
        self._audit = audit
        self._netloc = str(policy.netloc)
        self._record_retention = policy.record_retention
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
        """Forget some of what has expired, then make what is missing or due: CA keys, the HTTPS certificate, lists.

        ConfigError if certificates are to live too long for the CA there is.
        """
        now = self._clock()
        self.prune(batches=1)
        for keyring in self._keyrings.values():
            keyring.check_period(now)
            keyring.ensure(now)
        self._https.ensure()
        for context in (self.users, self.services):
            context.lists.refresh(now, at=REFRESH_AHEAD)
            context.lists.forget_unused()
        self.services.lists.forget_orphans()

    def prune(self, *, batches: int | None = None) -> None:
        """Forget expired CAs, certificates, and requests, revocations and entries of the record that need not be kept
        any more: all, or so many batches of each kind.

        Not at once: nothing that a clock which is ahead for a while makes look expired may be lost. And in small
        batches, with pauses, so that whoever else writes does not wait for it, in this process or another.
        """
        for prune_batch in self._prunings(self._clock()):
            for number in count(1):
                began = monotonic()
                if prune_batch() < PRUNE_BATCH or number == batches:
                    break
                sleep(_PRUNE_PAUSE * (monotonic() - began))

    def _prunings(self, now: datetime) -> Iterator[Callable[[], int]]:
        """What forgets one batch of a kind, and says how many there were in it."""
        late = int((now - _GRACE).timestamp())
        recorded = int((now - max(_GRACE, self._record_retention)).timestamp())
        for name in ContextName:
            # Answers that are kept for a day only can be asked for again.
            answers = late if PROFILES[name].kept_for is None else int(now.timestamp())
            yield partial(self._prune, requests.expired, requests.delete_expired, name, answers)
            yield partial(self._prune, issued.expired_renewals, issued.delete_expired_renewals, name, answers)
            if self._keyrings[name].is_settled(now):
                yield partial(self._prune, revocations.expired, revocations.delete_expired, name, late)
                forget = partial(record.prune, context=name, now=recorded, limit=PRUNE_BATCH)
                yield partial(self._database.write, forget)
                yield partial(self._database.write, partial(cas.delete_expired, context=name, now=late))

    def _prune(
        self,
        find: Callable[[Transaction, str, int, int], list[T]],
        delete: Callable[[Transaction, list[T], int], None],
        name: ContextName,
        now: int,
    ) -> int:
        # Looked for outside: what lies before it may be many rows of another context, which are not over yet.
        with self._database.read() as transaction:
            found = find(transaction, name, now, PRUNE_BATCH)
        if found:
            self._database.write(lambda transaction: delete(transaction, found, now))
        return len(found)

    def report_record(self) -> None:
        """Tell how far the record reaches, if it has grown since that was last told."""
        report_new_heads(self._database, self._audit)

    def import_cas(self, signers: Sequence[Signer]) -> list[Signer]:
        """Add CAs that were made elsewhere to those of the services; those that were not there are returned.

        Conflict if there is another certificate for a key.
        """
        keyring = self._keyrings[ContextName.CAS]
        return adopt_cas(keyring, self._database, signers, audit=self._audit)

    def export_cas(self) -> list[Signer]:
        """The CAs of the services with their keys, oldest first."""
        keyring = self._keyrings[ContextName.CAS]
        signers = [keyring.signer_of(ca) for ca in keyring.snapshot().valid(self._clock())]
        for signer in signers:
            self._audit(AuditEvent.CA_EXPORTED, context=keyring.name, key_id=signer.key_id.hex())
        return signers

    def import_lists(self, published: Sequence[x509.CertificateRevocationList]) -> None:
        """Revoke what is revoked on these lists, and number the next one higher than they are.

        Untrusted unless each is signed by a CA of CAU or CAS that is known here.
        """
        for name, lists in self._by_signer(published).items():
            number = max(map(crl_number, lists))
            # First, so that no list that is made from now on has a number that was seen before.
            self._database.write(
                partial(settings.raise_counter, context=name, name=settings.CRL_NUMBER, least=number + 1)
            )
            self.context(name).lists.adopt(lists)
            self._audit(AuditEvent.CRL_IMPORTED, context=name, number=number)

    def _by_signer(
        self, published: Sequence[x509.CertificateRevocationList]
    ) -> dict[ContextName, list[x509.CertificateRevocationList]]:
        result: dict[ContextName, list[x509.CertificateRevocationList]] = {}
        for one in published:
            if crl_number(one) > CRL_NUMBER_MAX:
                raise Malformed(f"The number of a revocation list is higher than {CRL_NUMBER_MAX}.")
            for name in (ContextName.CAS, ContextName.CAU):
                cas = self._keyrings[name].snapshot().cas
                if any(is_signed_by(one, ca.certificate) for ca in cas):
                    result.setdefault(name, []).append(one)
                    break
            else:
                raise Untrusted(
                    f"The revocation list of {one.issuer.rfc4514_string()} is not signed by a CA of this server.",
                    "Import that CA first, or leave the list out.",
                )
        return result

    @property
    def storage(self) -> Storage:
        """Where use cases are committed by whoever runs their steps."""
        return self._database

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

    def contexts(self) -> tuple[ContextStatus, ...]:
        """The part of it that costs little, however many there are of anything: CAs, lists, how many requests wait."""
        return inspection.contexts(self._database, self._keyrings, self._clock())

    def ca_certificate(self, key_id: KeyId) -> Document:
        """The certificate of the valid CA with that key identifier, of any context, PEM; NotFound."""
        now = self._clock()
        for keyring in self._keyrings.values():
            ca = keyring.snapshot().find(key_id, now)
            if ca is not None:
                return Document.of(dump_pem(ca.certificate), min(ca.lifetime.not_before, now))
        raise NotFound("There is no valid CA with this key identifier.")

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
        lock, automatic = lock_name(name), str(context.auto_approve_count)
        if policy.lock_auto_approve_count:
            settings.first_setting(transaction, lock, automatic)
        counts[name] = int(settings.setting(transaction, lock) or automatic)
    return counts
