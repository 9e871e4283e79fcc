"""Revocation: which serials are revoked, and the lists that say so.

A list is stored when it is made and served from memory while its number is the newest. It is made again on
demand: after a revocation, and from half its life on. Each CA's list names what that CA issued, and serials
whose issuer nobody knows.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from cryptography import x509

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.document import Document
from caucase.authority.keyring import Ca, Keyring
from caucase.authority.policy import CRL_PERIODS
from caucase.authority.use_case import Work
from caucase.clock import Clock
from caucase.core import crl
from caucase.core.record import Entry, Kind
from caucase.core.rollover import BACKDATE
from caucase.core.x509 import CRL, KeyId, Serial, not_after, revocation_date, to_pem
from caucase.errors import AlreadyRevoked, NotFound
from caucase.store import Database, Transaction, record, revocations, settings
from caucase.store.revocations import CrlDates
from caucase.store.schema import from_seconds

# Shares of a list's life. The timer's job comes first, so that nobody who asks has to wait for a signature, so early
# that who asked a day before the server went off has a list that lasts for nearly three weeks.
_REFRESH_ON_DEMAND = 0.5
REFRESH_AHEAD = 0.3
# Entries of somebody's list that share a commit: a million of them must not take a day, nor block others for long.
_ADOPT_BATCH = 500
# Who revoked what is on somebody's list: nobody here.
_IMPORTED = "an imported list"


class RevocationLists:
    """The revoked serials and published lists of one context. Thread-safe."""

    def __init__(self, keyring: Keyring, database: Database, *, clock: Clock, audit: AuditSink) -> None:
        self._keyring = keyring
        self._context = keyring.name
        self._database = database
        self._clock = clock
        self._audit = audit
        self._making = threading.Lock()
        self._ready: dict[tuple[KeyId, int, bool], Document] = {}
        self._all: tuple[tuple[Document, ...], Document] | None = None

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

    def document(self, aki: int, *, pem: bool) -> Document:
        """The newest list of the valid CA whose key identifier, as a number, is ``aki``; NotFound."""
        with self._database.read() as transaction:
            current = self._keyring.snapshot(transaction)
        named = [ca for ca in current.valid(self._clock()) if int.from_bytes(ca.key_id, "big") == aki]
        if not named:
            raise NotFound("There is no valid CA with this key identifier.")
        return self._documents(named, pem=pem)[0]

    def all_documents(self) -> Document:
        """The lists of all valid CAs, PEM, oldest CA first."""
        valid = self._keyring.ensure(self._clock()).valid(self._clock())
        parts = tuple(self._documents(valid, pem=True))
        cached = self._all
        if cached is None or cached[0] != parts:
            body = b"".join(part.body for part in parts)
            whole = Document.of(body, max(part.last_modified for part in parts))
            cached = self._all = (parts, whole)
        return cached[1]

    def refresh(self, now: datetime, *, at: float = _REFRESH_ON_DEMAND) -> None:
        """Make every list again that is missing, out of date, or older than this share of its life."""
        if self._is_stale(now, at):
            with self._making:
                if self._is_stale(now, at):  # another thread may have made them in the meantime
                    self._publish(now, at)

    def _documents(self, cas: Sequence[Ca], *, pem: bool) -> list[Document]:
        self.refresh(self._clock())
        with self._database.read() as transaction:
            stored = self._stored(transaction)
            return [self._document(transaction, ca.key_id, stored[ca.key_id].number, pem=pem) for ca in cas]

    def _document(self, transaction: Transaction, issuer: KeyId, number: int, *, pem: bool) -> Document:
        key = (issuer, number, pem)
        document = self._ready.get(key)
        if document is None:
            row = revocations.select_list(transaction, self._context, issuer)
            assert row is not None  # its number was read in the same transaction
            body = to_pem(row.der, CRL) if pem else row.der
            document = Document.of(body, from_seconds(row.this_update))
            outdated = [old for old in list(self._ready) if old[0] == issuer and old[1] != number]
            for old in outdated:
                self._ready.pop(old, None)
            self._ready[key] = document
        return document

    def _is_stale(self, now: datetime, at: float) -> bool:
        with self._database.read() as transaction:
            return self._stale(transaction, now, at)

    def _stale(self, transaction: Transaction, now: datetime, at: float) -> bool:
        """Whether some valid CA's list is missing, behind the counter, or too old."""
        newest = settings.counter(transaction, self._context, settings.CRL_NUMBER)
        stored = self._stored(transaction)
        current = self._keyring.snapshot(transaction)
        return any(self._needs_list(stored.get(ca.key_id), newest, now, at) for ca in current.valid(now))

    def _needs_list(self, stored: CrlDates | None, newest: int, now: datetime, at: float) -> bool:
        if stored is None or stored.number < newest:
            return True
        age = now - from_seconds(stored.this_update)
        # One from the future (the clock was put back) is refused by relying parties whose clocks are right.
        return age < timedelta() or age >= self.life * at

    def _stored(self, transaction: Transaction) -> dict[KeyId, CrlDates]:
        return {dates.issuer: dates for dates in revocations.select_dates(transaction, self._context)}

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
            contents = [
                (ca, list(revocations.entries(transaction, self._context, ca.key_id, int(now.timestamp()))))
                for ca in self._keyring.snapshot(transaction).valid(now)
            ]
        for ca, entries in contents:
            row = self._signed(ca, entries, number, now)
            if self._database.write(partial(revocations.publish, context=self._context, row=row)):
                self._audit(
                    AuditEvent.CRL_PUBLISHED, context=self._context, key_id=ca.key_id.hex(), number=number
                )

    def _signed(self, ca: Ca, entries: list[bytes], number: int, now: datetime) -> revocations.CrlRow:
        this_update = now.replace(microsecond=0) - BACKDATE
        next_update = this_update + self.life
        der = crl.build_crl(
            self._keyring.signer_of(ca),
            entries,
            number=number,
            this_update=this_update,
            next_update=next_update,
        )
        return revocations.CrlRow(
            issuer=ca.key_id,
            number=number,
            this_update=int(this_update.timestamp()),
            next_update=int(next_update.timestamp()),
            der=der,
        )
