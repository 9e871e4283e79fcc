"""Revocation: which serials are revoked, and the lists that say so.

A list is stored in parts when it is made, and read part by part while it is sent. It is made again on demand: after a
revocation, and from half its life on. Each CA's list names what that CA issued, and serials whose issuer nobody knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import secrets
import threading
from collections.abc import Iterator, Sequence
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
from caucase.core.issue import Signer
from caucase.core.pem import CRL, PEM_LINE_BYTES, pem_pieces, pem_size, to_pem
from caucase.core.record import Entry, Kind
from caucase.core.rollover import BACKDATE
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial, not_after, revocation_date
from caucase.errors import AlreadyRevoked, NotFound, StoreError
from caucase.store import Database, Transaction, record, revocations, settings
from caucase.store.revocations import PublishedList
from caucase.store.schema import from_seconds

# Shares of a list's life. The timer's job comes first, so that nobody who asks has to wait for a signature, so early
# that who asked a day before the server went off has a list that lasts for nearly three weeks.
_REFRESH_ON_DEMAND = 0.5
REFRESH_AHEAD = 0.3
# Entries of somebody's list that share a commit: a million of them must not take a day, nor block others for long.
_ADOPT_BATCH = 500
# Bytes of a list that are stored, and read, at once: a transaction of milliseconds. PEM lines end where a part does.
_PART = 16384 * PEM_LINE_BYTES
# Lists of no more than one part are kept in memory, so many of them.
_SHORT_LISTS = 8
# When a list that is not complete will never be.
_ORPHAN_AGE = timedelta(days=1)
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
        self._short: dict[int, bytes] = {}
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

    def document(self, aki: int, *, pem: bool) -> Document:
        """The newest list of the valid CA whose key identifier, as a number, is ``aki``; NotFound."""
        with self._database.read() as transaction:
            current = self._keyring.snapshot(transaction)
        now = self._clock()
        named = [ca for ca in current.valid(now) if int.from_bytes(ca.key_id, "big") == aki]
        if not named:
            raise NotFound("There is no valid CA with this key identifier.")
        return self._documents(named, now, pem=pem)[0]

    def all_documents(self) -> Document:
        """The lists of all valid CAs, PEM, oldest CA first."""
        now = self._clock()
        parts = self._documents(self._keyring.ensure(now).valid(now), now, pem=True)
        if len(parts) == 1:
            return parts[0]
        names = "".join(part.etag for part in parts)
        return Document(
            size=sum(part.size for part in parts),
            etag=f'"{hashlib.sha256(names.encode("ascii")).hexdigest()[:32]}"',
            last_modified=max(part.last_modified for part in parts),
            slices=lambda: itertools.chain.from_iterable(part.slices() for part in parts),
        )

    def is_stale(self) -> bool:
        """Whether whoever asks now has to wait until a list is made."""
        return self._is_stale(self._clock(), _REFRESH_ON_DEMAND)

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

    def _documents(self, cas: Sequence[Ca], now: datetime, *, pem: bool) -> list[Document]:
        """Those of ``cas``, which are valid ``now``."""
        self.refresh(now)
        with self._database.read() as transaction:
            stored = self._stored(transaction)
            return [self._document(transaction, stored[ca.key_id], pem=pem) for ca in cas]

    def _document(self, transaction: Transaction, published: PublishedList, *, pem: bool) -> Document:
        form = "pem" if pem else "der"
        # A number is never used for two lists of a CA.
        etag = f'"{published.issuer.hex()}-{published.number}-{form}"'
        last_modified = from_seconds(published.this_update)
        if published.size <= _PART:
            der = self._short.get(published.version)
            if der is None:
                if len(self._short) >= _SHORT_LISTS:
                    self._short = {}
                der = revocations.select_part(transaction, published.version, 0)
                assert der is not None  # its version was read in the same transaction
                self._short[published.version] = der
            return Document.of(to_pem(der, CRL) if pem else der, last_modified, etag)
        parts = partial(self._parts, published)
        return Document(
            size=pem_size(published.size, CRL) if pem else published.size,
            etag=etag,
            last_modified=last_modified,
            slices=(lambda: pem_pieces(parts(), CRL)) if pem else parts,
        )

    def _parts(self, published: PublishedList) -> Iterator[bytes]:
        """A list in DER, part by part; nobody holds more than one, nor a transaction in between."""
        for number in range(-(-published.size // _PART)):
            with self._database.read() as transaction:
                part = revocations.select_part(transaction, published.version, number)
            if part is None:
                raise StoreError("The revocation list has been replaced twice in the meantime.")
            yield part

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
        for part, start in enumerate(range(0, len(der), _PART)):
            data = der[start : start + _PART]
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
