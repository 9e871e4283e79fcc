"""Reads the record of what was issued and revoked: a page of it, whether it is whole, and how far it reaches.

Nothing is ever written here: entries are made where certificates are, in the same transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from caucase.authority.audit import AuditEvent, AuditSink
from caucase.authority.policy import ContextName
from caucase.core.record import Entry, Kind, link
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.errors import StoreError
from caucase.store import Database, Transaction, record, settings
from caucase.store.record import Chain, Conditions, Position

PAGE_LIMIT = 1000
"""The most certificates on a page."""

# Entries that are looked at for one page: some tens of milliseconds, however few of them are asked for.
_SCAN = 5000
# Entries after which it is told how far a check is: less than a tenth of a second.
_NOTED = 5000
_ESCAPED = re.compile(r"\\([^0-9A-Fa-f])")
# Characters of subjects and names on one page: a single certificate can have 64 KiB of them.
_PAGE_SIZE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which certificates. ``after``: number of the last entry of the page before. ``newest_first``: in the order in
    which they were not issued. ``text``: what subject or a name contains, ``approved_by``: what the user's name
    contains, small or capital letters alike.
    """

    limit: int = 100
    after: int = 0
    newest_first: bool = False
    text: str | None = None
    approved_by: str | None = None
    serial: Serial | None = None
    key_id: KeyId | None = None
    expires_before: datetime | None = None
    expires_after: datetime | None = None
    revoked: bool | None = None


@dataclass(frozen=True, kw_only=True)
class IssuedCertificate:
    """What the record says of one: its entry with its number, and how it was revoked if it was."""

    number: int
    entry: Entry
    revocation: Entry | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """``next``: what the next page is ``after``, ``None`` on the last one. There may be few on a page, or none, and
    yet another one.
    """

    certificates: tuple[IssuedCertificate, ...]
    next: int | None


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """An entry of any kind, its number, and the ``subject`` of the certificate that it is about, if that is known.
    ``has_certificate``: the record has that certificate; of a serial that was revoked alone it need not.
    """

    number: int
    entry: Entry
    subject: str | None
    has_certificate: bool


@dataclass(frozen=True, kw_only=True)
class EntryPage:
    """Entries, the newest first. ``next``: as in ``Page``."""

    entries: tuple[Numbered, ...]
    next: int | None


@dataclass(frozen=True, kw_only=True)
class ChainState:
    """The chain of ``context``, as that is shown to people. ``entries``: how many there are, up to the first that is
    wrong. ``problem``: a sentence, or empty.
    """

    context: str
    entries: int
    first: int | None
    head: Position
    problem: str


class Record:
    """The record of CAU or CAS. Thread-safe."""

    def __init__(self, name: ContextName, database: Database) -> None:
        self._name = name
        self._database = database

    def page(self, query: Query) -> Page:
        """Certificates in the order in which they were issued, or the other way round. What is issued meanwhile is on
        a later page, or on none.
        """
        conditions = Conditions(
            serial=query.serial,
            key_id=query.key_id,
            expires_before=_seconds(query.expires_before),
            expires_after=_seconds(query.expires_after),
            revoked=query.revoked,
        )
        found: list[IssuedCertificate] = []
        size = 0
        with self._database.read() as transaction:
            chain = record.chain(transaction, self._name)
            # A serial is looked up, anything else is looked for.
            scan = None if query.serial is not None else _SCAN
            stretch = _stretch(chain, query.after, newest_first=query.newest_first, scan=scan)
            rows = record.select(
                transaction,
                self._name,
                conditions,
                after=stretch.after,
                until=stretch.until,
                newest_first=query.newest_first,
            )
            for row in rows:
                if not _matches(row.entry, query):
                    continue
                revocation = record.revoked(transaction, self._name, row.entry.serial)
                found.append(IssuedCertificate(number=row.number, entry=row.entry, revocation=revocation))
                size += len(row.entry.subject or "") + len(row.entry.names or "")
                if len(found) == query.limit or size > _PAGE_SIZE:
                    return Page(certificates=tuple(found), next=row.number)
        return Page(certificates=tuple(found), next=stretch.next)

    def entries(self, *, limit: int, after: int = 0, actor: str = "") -> EntryPage:
        """Everything that happened, the newest first. ``after``: as in ``Query``. ``actor``: what the name of who
        decided contains.
        """
        found: list[Numbered] = []
        size = 0
        with self._database.read() as transaction:
            chain = record.chain(transaction, self._name)
            stretch = _stretch(chain, after, newest_first=True, scan=_SCAN)
            for row in record.entries(
                transaction, self._name, after=stretch.after, until=stretch.until, newest_first=True
            ):
                if actor.casefold() not in (row.entry.actor or "").casefold():
                    continue
                about: Entry | None = row.entry
                if row.entry.kind is Kind.REVOKED:
                    about = record.issued(transaction, self._name, row.entry.serial)
                subject = None if about is None else about.subject
                found.append(
                    Numbered(
                        number=row.number,
                        entry=row.entry,
                        subject=subject,
                        has_certificate=about is not None,
                    )
                )
                size += len(row.entry.subject or "") + len(row.entry.names or "")
                if len(found) == limit or size > _PAGE_SIZE:
                    return EntryPage(entries=tuple(found), next=row.number)
        return EntryPage(entries=tuple(found), next=stretch.next)

    def similar(
        self, *, key_id: KeyId, subject: str, names: Sequence[str], limit: int
    ) -> tuple[IssuedCertificate, ...]:
        """Certificates with the same key, the same subject, or one of the same ``names``, the newest first; only the
        last few thousand are looked at.
        """
        wanted = frozenset(names)

        def is_similar(entry: Entry) -> bool:
            if entry.key_id == key_id or (subject and entry.subject == subject):
                return True
            return not wanted.isdisjoint(json.loads(entry.names or "[]"))

        return self._first(is_similar, newest_first=True, after=0, limit=limit)

    def renewals_of(self, one: IssuedCertificate, *, limit: int) -> tuple[IssuedCertificate, ...]:
        """What was made of a certificate with its key, as far as it is among the few thousand that came after it."""
        return self._first(
            lambda entry: entry.renewed_from == one.entry.serial,
            newest_first=False,
            after=one.number,
            limit=limit,
        )

    def _first(
        self, is_wanted: Callable[[Entry], bool], *, newest_first: bool, after: int, limit: int
    ) -> tuple[IssuedCertificate, ...]:
        with self._database.read() as transaction:
            chain = record.chain(transaction, self._name)
            stretch = _stretch(chain, after, newest_first=newest_first, scan=_SCAN)
            rows = record.select(
                transaction,
                self._name,
                Conditions(),
                after=stretch.after,
                until=stretch.until,
                newest_first=newest_first,
            )
            return tuple(
                IssuedCertificate(
                    number=row.number,
                    entry=row.entry,
                    revocation=record.revoked(transaction, self._name, row.entry.serial),
                )
                for row in islice((row for row in rows if is_wanted(row.entry)), limit)
            )


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """A part of the chain, from ``after`` (not included) to ``until``; ``next``: what the stretch behind it is
    after.
    """

    after: int
    until: int
    next: int | None


def _stretch(chain: Chain, after: int, *, newest_first: bool, scan: int | None) -> _Stretch:
    """What is looked at for one page: all, or ``scan`` entries."""
    first, last = chain.pruned.number, chain.head.number
    if newest_first:
        until = min(after - 1, last) if after else last
        start = first if scan is None else max(first, until - scan)
        return _Stretch(after=start, until=until, next=start + 1 if start > first else None)
    start = max(after, first)
    until = last if scan is None else min(start + scan, last)
    return _Stretch(after=start, until=until, next=until if until < last else None)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def verify(transaction: Transaction, *, note: Callable[[int], object] = lambda _: None) -> list[ChainState]:
    """Read the whole record, a chain after the other. Those of CAU and CAS are among them, also without an entry.

    ``note`` is called with how many entries more were read, now and then.
    """
    return [_verified(transaction, name, note) for name in _chains(transaction)]


def size(transaction: Transaction) -> int:
    """About how many entries ``verify`` has to read."""
    chains = (record.chain(transaction, name) for name in _chains(transaction))
    return sum(max(chain.head.number - chain.pruned.number, 0) for chain in chains)


def _chains(transaction: Transaction) -> list[str | bytes]:
    names = {*record.contexts(transaction), ContextName.CAU.value, ContextName.CAS.value}
    return sorted(names, key=str)


def _verified(transaction: Transaction, name: str | bytes, note: Callable[[int], object]) -> ChainState:
    chain = record.chain(transaction, name)
    number, digest, first = chain.pruned.number, chain.pruned.hash, None
    problem = ""
    try:
        for *values, stored in record.walk(transaction, name):
            if values[1] != number + 1:
                problem = f"entry {number + 1} is missing, there is {values[1]!r} instead"
                break
            following = link(digest, values)
            if following != stored:
                problem = f"entry {number + 1} is not what it was, or was not made after the one before"
                break
            number, digest = number + 1, following
            if not number % _NOTED:
                note(_NOTED)
            first = number if first is None else first
    except StoreError:
        problem = f"entry {number + 1} cannot be read"
    if not problem and (number, digest) != (chain.head.number, chain.head.hash):
        problem = f"it ends with entry {number}, and the last one made was {chain.head.number}"
    shown = name.upper() if isinstance(name, str) else repr(name)
    return ChainState(
        context=shown,
        entries=number - chain.pruned.number,
        first=first,
        head=chain.head,
        problem=problem and f"The record of {shown} is broken: {problem}.",
    )


def heads(transaction: Transaction) -> dict[ContextName, Position]:
    """How far the chain of each context reaches."""
    return {name: record.chain(transaction, name).head for name in (ContextName.CAU, ContextName.CAS)}


def report_heads(reached: Mapping[ContextName, Position], audit: AuditSink) -> None:
    """Tell it, so that no former state can be passed off as the present one. Of an empty chain nothing is told."""
    for name, head in reached.items():
        if head.number:
            audit(AuditEvent.RECORD_HEAD, context=name, number=head.number, hash=head.hash.hex())


def report_new_heads(database: Database, audit: AuditSink) -> None:
    """Likewise, of the chains that have grown since they were last told here."""
    with database.read() as transaction:
        grown = {
            name: head
            for name, head in heads(transaction).items()
            if head.number > settings.counter(transaction, name, settings.RECORD_TOLD)
        }
    report_heads(grown, audit)

    def note(transaction: Transaction) -> None:
        for name, head in grown.items():
            settings.raise_counter(transaction, name, settings.RECORD_TOLD, head.number)

    if grown:
        database.write(note)


def _matches(entry: Entry, query: Query) -> bool:
    if query.approved_by is not None and query.approved_by.casefold() not in (entry.actor or "").casefold():
        return False
    if query.text is None:
        return True
    subject = entry.subject or ""
    # Also as people write it: without the backslashes of RFC 4514.
    texts = [subject, _ESCAPED.sub(r"\1", subject), *json.loads(entry.names or "[]")]
    return any(query.text.casefold() in text.casefold() for text in texts)
