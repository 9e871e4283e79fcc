"""Revocation: which serials are revoked, and the lists that say so.

A list is stored in parts when it is made, and read part by part while it is sent. It is made again on demand: after a
revocation, and from half its life on. Each CA's list names what that CA issued, and serials whose issuer nobody knows.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from cryptography import x509

from caucase.authority import list_documents
from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.keyring import Ca, Keyring, Moment
from caucase.authority.list_documents import ListDocuments
from caucase.authority.policy import CRL_PERIODS
from caucase.authority.use_case import Work
from caucase.clock import Clock
from caucase.core import crl
from caucase.core.issue import Signer
from caucase.core.record import Entry, Kind
from caucase.core.rollover import BACKDATE
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial, not_after, revocation_date
from caucase.errors import AlreadyRevoked, StoreError
from caucase.store import Database, Transaction, record, revocations, settings
from caucase.store.revocations import PublishedList
from caucase.store.schema import from_seconds

# Shares of a list's life. The timer's job comes first, so that nobody who asks has to wait for a signature, so early
# that who asked a day before the server went off has a list that lasts for nearly three weeks.
_REFRESH_ON_DEMAND = 0.5
REFRESH_AHEAD = 0.3
# Entries of somebody's list that share a commit: a million of them must not take a day, nor block others for long.
_ADOPT_BATCH = 500
# When a list that is not complete will never be.
_ORPHAN_AGE = timedelta(days=1)
# Who revoked what is on somebody's list: nobody here.
_IMPORTED = "an imported list"


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Lists that are the newest while the context's counters are these, from ``start`` until before ``end``."""

    counters: tuple[int, ...]
    start: datetime
    end: datetime
    documents: ListDocuments

    def is_good(self, counters: tuple[int, ...], now: datetime) -> bool:
        return self.counters == counters and self.start <= now < self.end


class RevocationLists:
    """The revoked serials and published lists of one context. Thread-safe."""

    def __init__(self, keyring: Keyring, database: Database, *, clock: Clock, audit: AuditSink) -> None:
        self._keyring = keyring
        self._context = keyring.name
        self._database = database
        self._clock = clock
        self._audit = audit
        self._making = threading.Lock()
        self._known: _Known | None = None
        self._unused: list[int] = []

    @property
    def life(self) -> timedelta:
        """From a list's lastUpdate to its nextUpdate."""
        return CRL_PERIODS * self._keyring.period

    def revocation_of(self, certificate: x509.Certificate, issuer: Ca, *, user: str, address: str) -> Work:
        """What revokes a certificate of this context's; AlreadyRevoked. ``user``, ``address``: for the record."""
        revoked = Entry(
            kind=Kind.REVOKED,
            at=int(self._clock().timestamp()),
            serial=Serial(certificate.serial_number),
            issuer=issuer.key_id,
            not_after=int(not_after(certificate).timestamp()),
            actor=user,
            address=address,
        )
        return partial(self._revoke, revoked=revoked)

    def revocation_of_serial(self, serial: Serial, *, user: str, address: str) -> Work:
        """What revokes whatever has this serial, known or not; AlreadyRevoked."""
        with self._database.read() as transaction:
            known = record.issued(transaction, self._context, serial)
        if known is not None:
            issuer, end = known.issuer, known.not_after
        else:
            issuer = revocations.UNKNOWN_ISSUER
            last = max(ca.lifetime.not_after for ca in self._keyring.ensure(self._clock()).cas)
            end = int(last.timestamp())
        revoked = Entry(
            kind=Kind.REVOKED,
            at=int(self._clock().timestamp()),
            serial=serial,
            issuer=issuer,
            not_after=end,
            actor=user,
            address=address,
        )
        return partial(self._revoke, revoked=revoked)

    def _revoke(self, transaction: Transaction, *, revoked: Entry) -> None:
        if revocations.is_revoked(transaction, self._context, revoked.serial):
            raise AlreadyRevoked("This certificate is revoked already.")
        self._insert(transaction, revoked)

    def _insert(self, transaction: Transaction, revoked: Entry) -> None:
        """Have it on the next list, and in the record."""
        assert revoked.at is not None
        row = revocations.RevocationRow(
            serial=revoked.serial,
            issuer=revoked.issuer,
            revoked_at=revoked.at,
            keep_until=int((from_seconds(revoked.not_after) + self.life).timestamp()),
            entry=crl.revocation_entry(revoked.serial, from_seconds(revoked.at)),
        )
        revocations.insert(transaction, self._context, row)
        record.append(transaction, self._context, revoked)

    def adopt(self, published: Sequence[x509.CertificateRevocationList]) -> None:
        """Revoke what is on these lists, of CAs of this context, and not known here.

        A serial that was not issued here, as far as is known, goes on all lists: the peer's name everything on each.
        """
        with self._database.read() as transaction:
            last = max(ca.lifetime.not_after for ca in self._keyring.snapshot(transaction).cas)
        entries = (
            (Serial(entry.serial_number), revocation_date(entry)) for one in published for entry in one
        )
        while batch := list(islice(entries, _ADOPT_BATCH)):
            self._database.write(partial(self._adopt, batch=batch, last=last))

    def _adopt(
        self, transaction: Transaction, *, batch: Sequence[tuple[Serial, datetime]], last: datetime
    ) -> None:
        for serial, revoked in batch:
            if revocations.is_revoked(transaction, self._context, serial):
                continue
            known = record.issued(transaction, self._context, serial)
            entry = Entry(
                kind=Kind.REVOKED,
                at=int(revoked.timestamp()),
                serial=serial,
                issuer=revocations.UNKNOWN_ISSUER if known is None else known.issuer,
                not_after=int(last.timestamp()) if known is None else known.not_after,
                actor=_IMPORTED,
            )
            self._insert(transaction, entry)

    def current(self) -> ListDocuments | None:
        """The newest list of each valid CA; ``None`` if whoever asks has to wait until one is made.

        A CA's successor is not waited for: who wants to know who is revoked has nothing to do with it.
        """
        now = self._clock()
        with self._database.read() as transaction:
            counters = settings.counters(
                transaction, self._context, settings.CRL_NUMBER, settings.CA_GENERATION
            )
            known = self._known
            if known is not None and known.is_good(counters, now):
                return known.documents
            moment = self._keyring.snapshot(transaction).at(now)
            if not moment.valid or self._stale(transaction, now, _REFRESH_ON_DEMAND):
                return None
            newest = self._newest(transaction, moment)
            documents = ListDocuments(self._database, transaction, newest)
        dates = [from_seconds(one.this_update) for one in newest]
        self._known = _Known(
            counters=counters,
            start=max(moment.start, *dates),
            # Not when roles change: while a successor is due they do with every moment.
            end=min(
                *(ca.lifetime.not_after for ca in moment.valid), min(dates) + self.life * _REFRESH_ON_DEMAND
            ),
            documents=documents,
        )
        return documents

    def newest(self) -> ListDocuments:
        """The newest list of each valid CA, once those that are due have been made, and a CA if there is none: it can
        take a while.
        """
        now = self._clock()
        self._keyring.ensure(now)
        self.refresh(now)
        with self._database.read() as transaction:
            moment = self._keyring.snapshot(transaction).at(now)
            newest = self._newest(transaction, moment)
            if not newest:
                raise StoreError("The authority's CAs have been replaced in this moment.", "Try again.")
            return ListDocuments(self._database, transaction, newest)

    def refresh(self, now: datetime | None = None, *, at: float = _REFRESH_ON_DEMAND) -> None:
        """Make every list again that is missing, out of date, or older than this share of its life."""
        now = self._clock() if now is None else now
        if self._is_stale(now, at):
            with self._making:
                if self._is_stale(now, at):  # another thread may have made them in the meantime
                    self._publish(now, at)

    def forget_unused(self) -> None:
        """Forget the parts of lists that nobody reads any more; whoever waits for a new list need not wait for this."""
        with contextlib.suppress(IndexError):  # another thread does the same
            while True:
                self._forget(self._unused.pop())

    def forget_orphans(self) -> None:
        """Forget what is left of lists that were never completed or not forgotten, and of those of former CAs."""
        before = int((self._clock() - _ORPHAN_AGE).timestamp())
        with self._database.read() as transaction:
            versions = revocations.orphans(transaction, before)
        for version in versions:
            self._forget(version)

    def _is_stale(self, now: datetime, at: float) -> bool:
        with self._database.read() as transaction:
            return self._stale(transaction, now, at)

    def _stale(self, transaction: Transaction, now: datetime, at: float) -> bool:
        """Whether some valid CA's list is missing, behind the counter, or too old."""
        newest = settings.counter(transaction, self._context, settings.CRL_NUMBER)
        stored = self._stored(transaction)
        current = self._keyring.snapshot(transaction)
        return any(self._needs_list(stored.get(ca.key_id), newest, now, at) for ca in current.valid(now))

    def _needs_list(self, stored: PublishedList | None, newest: int, now: datetime, at: float) -> bool:
        if stored is None or stored.number < newest:
            return True
        age = now - from_seconds(stored.this_update)
        # One from the future (the clock was put back) is refused by relying parties whose clocks are right.
        return age < timedelta() or age >= self.life * at

    def _newest(self, transaction: Transaction, moment: Moment) -> list[PublishedList]:
        """What the CAs that are valid then have published."""
        stored = self._stored(transaction)
        return [stored[ca.key_id] for ca in moment.valid if ca.key_id in stored]

    def _stored(self, transaction: Transaction) -> dict[KeyId, PublishedList]:
        return {one.issuer: one for one in revocations.select_lists(transaction, self._context)}

    def _publish(self, now: datetime, at: float) -> None:
        """Number, sign and store new lists. A number is never used for two different lists of a CA."""

        def take_number(transaction: Transaction) -> bool:
            if not self._stale(transaction, now, at):  # another process has made them in the meantime
                return False
            newest = settings.counter(transaction, self._context, settings.CRL_NUMBER)
            stored = self._stored(transaction)
            valid = self._keyring.snapshot(transaction).valid(now)
            present = [stored[ca.key_id] for ca in valid if ca.key_id in stored]
            # With a list behind, another process or a revocation has taken the number that is used next; but
            # not for one that has that number already and is out of date.
            if all(dates.number == newest for dates in present) or any(
                dates.number == newest and self._needs_list(dates, newest, now, at) for dates in present
            ):
                settings.count(transaction, self._context, settings.CRL_NUMBER)
            return True

        if not self._database.write(take_number):
            return
        with self._database.read() as transaction:
            number = settings.counter(transaction, self._context, settings.CRL_NUMBER)
            current = self._keyring.snapshot(transaction)
        for ca in current.valid(now):
            signer = self._keyring.signer_of(ca)
            with self._database.read() as transaction:
                der = self._signed(transaction, signer, number, now)
            if self._store(ca, der, number, now):
                self._audit(
                    AuditEvent.CRL_PUBLISHED, context=self._context, key_id=ca.key_id.hex(), number=number
                )

    def _signed(self, transaction: Transaction, signer: Signer, number: int, now: datetime) -> bytes:
        this_update = _this_update(now)
        return crl.build_crl(
            signer,
            revocations.entries(transaction, self._context, signer.key_id, int(now.timestamp())),
            number=number,
            this_update=this_update,
            next_update=this_update + self.life,
        )

    def _store(self, ca: Ca, der: bytes, number: int, now: datetime) -> bool:
        """Publish a list; False if another process was faster. No transaction is longer than one part of it."""
        version, made_at = secrets.randbits(62), int(now.timestamp())
        for part, start in enumerate(range(0, len(der), list_documents.PART)):
            data = der[start : start + list_documents.PART]
            self._database.write(
                partial(revocations.insert_part, version=version, part=part, made_at=made_at, data=data)
            )
        this_update = _this_update(now)
        row = PublishedList(
            issuer=ca.key_id,
            number=number,
            this_update=int(this_update.timestamp()),
            next_update=int((this_update + self.life).timestamp()),
            size=len(der),
            version=version,
        )
        is_published, unused = self._database.write(
            partial(revocations.publish, context=self._context, row=row)
        )
        if unused is not None:
            self._unused.append(unused)
        return is_published

    def _forget(self, version: int) -> None:
        while self._database.write(partial(revocations.delete_part, version=version)):
            pass


def _this_update(now: datetime) -> datetime:
    return now.replace(microsecond=0) - BACKDATE
