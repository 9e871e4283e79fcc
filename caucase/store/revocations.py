"""Revoked serials, and the newest list of each CA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caucase.core.record import serial_text
from caucase.core.x509 import KeyId, Serial
from caucase.store.db import Transaction
from caucase.store.settings import CRL_NUMBER, count

UNKNOWN_ISSUER = KeyId(b"")


@dataclass(frozen=True, kw_only=True)
class RevocationRow:
    """A revocation. ``issuer``: the CA's key identifier, or ``UNKNOWN_ISSUER``: then it is on every list of
    the context.
    """

    serial: Serial
    issuer: KeyId
    revoked_at: int
    keep_until: int
    entry: bytes


@dataclass(frozen=True, kw_only=True)
class CrlDates:
    """What is known of a published list without reading it. Dates in Unix seconds."""

    issuer: KeyId
    number: int
    this_update: int
    next_update: int


@dataclass(frozen=True, kw_only=True)
class CrlRow(CrlDates):
    """A published list."""

    der: bytes


def is_revoked(transaction: Transaction, context: str, serial: Serial, issuer: KeyId | None = None) -> bool:
    """Whether this serial is revoked; with ``issuer``, whether for that CA."""
    row = transaction.execute(
        "SELECT issuer FROM revocation WHERE context = ? AND serial = ?", (context, serial_text(serial))
    ).fetchone()
    return row is not None and (issuer is None or row[0] in (issuer, UNKNOWN_ISSUER))


def count_revoked(transaction: Transaction, context: str) -> int:
    value: int = transaction.execute(
        "SELECT COUNT(*) FROM revocation WHERE context = ?", (context,)
    ).fetchone()[0]
    return value


def insert(transaction: Transaction, context: str, row: RevocationRow) -> int:
    """Store a revocation; the number that the next list has."""
    transaction.execute(
        "INSERT INTO revocation VALUES (?, ?, ?, ?, ?, ?)",
        (context, serial_text(row.serial), row.issuer, row.revoked_at, row.keep_until, row.entry),
    )
    return count(transaction, context, CRL_NUMBER)


def entries(transaction: Transaction, context: str, issuer: KeyId, now: int) -> Iterator[bytes]:
    """The encoded entries of one CA's list."""
    rows = transaction.execute(
        "SELECT entry FROM revocation WHERE context = ? AND issuer IN (?, ?) AND keep_until >= ?",
        (context, issuer, UNKNOWN_ISSUER, now),
    )
    return (entry for (entry,) in rows)


def select_dates(transaction: Transaction, context: str) -> list[CrlDates]:
    """Number and dates of each stored list."""
    rows = transaction.execute(
        "SELECT issuer, number, this_update, next_update FROM crl WHERE context = ? ORDER BY rowid",
        (context,),
    )
    return [
        CrlDates(issuer=KeyId(issuer), number=number, this_update=this_update, next_update=next_update)
        for issuer, number, this_update, next_update in rows
    ]


def select_list(transaction: Transaction, context: str, issuer: KeyId) -> CrlRow | None:
    row = transaction.execute(
        "SELECT number, this_update, next_update, der FROM crl WHERE context = ? AND issuer = ?",
        (context, issuer),
    ).fetchone()
    if row is None:
        return None
    number, this_update, next_update, der = row
    return CrlRow(issuer=issuer, number=number, this_update=this_update, next_update=next_update, der=der)


def publish(transaction: Transaction, context: str, row: CrlRow) -> bool:
    """Make this the CA's newest list; False if there is one with this number or a later one already."""
    changed = transaction.execute(
        "INSERT INTO crl VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = excluded.number,"
        " this_update = excluded.this_update, next_update = excluded.next_update, der = excluded.der"
        " WHERE excluded.number > crl.number",
        (context, row.issuer, row.number, row.this_update, row.next_update, row.der),
    ).rowcount
    return changed == 1


def expired(transaction: Transaction, context: str, now: int, limit: int) -> list[tuple[str, str]]:
    """Context and serial of revocations that no list needs any more."""
    # What SQLite would choose reads all of the context.
    return transaction.execute(
        "SELECT context, serial FROM revocation INDEXED BY revocation_kept"
        " WHERE context = ? AND keep_until < ? LIMIT ?",
        (context, now, limit),
    ).fetchall()


def delete_expired(transaction: Transaction, keys: Sequence[tuple[str, str]], now: int) -> None:
    """Forget them, if nothing has changed."""
    transaction.executemany(
        "DELETE FROM revocation WHERE context = ? AND serial = ? AND keep_until < ?",
        [(*key, now) for key in keys],
    )
