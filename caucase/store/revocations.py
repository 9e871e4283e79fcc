"""Revoked serials, and the newest list of each CA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caucase.core.record import serial_text
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.errors import StoreError
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
class PublishedList:
    """What is known of a published list without reading it. Dates in Unix seconds. ``size``: in bytes, of its DER.
    ``version``: what its parts are called.
    """

    issuer: KeyId
    number: int
    this_update: int
    next_update: int
    size: int
    version: int


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


def entries(transaction: Transaction, context: str, issuer: KeyId, now: int) -> bytes:
    """The encoded entries of one CA's list, one after the other, in no order. StoreError if some are lost."""
    # SQLite puts them together: in half the time, and without the interpreter's lock. It takes them for text, and does
    # not promise what becomes of a NUL in that: so they are measured. The limit are 10^9 bytes (SQLITE_MAX_LENGTH).
    joined, size = transaction.execute(
        "SELECT CAST(group_concat(entry, '') AS BLOB), SUM(LENGTH(entry)) FROM revocation"
        " WHERE context = ? AND issuer IN (?, ?) AND keep_until >= ?",
        (context, issuer, UNKNOWN_ISSUER, now),
    ).fetchone()
    if len(joined or b"") != (size or 0):
        raise StoreError("This version of SQLite cannot put the entries of a list together.")
    return joined or b""


def select_lists(transaction: Transaction, context: str) -> list[PublishedList]:
    """Each stored list."""
    rows = transaction.execute(
        "SELECT issuer, number, this_update, next_update, size, version FROM crl WHERE context = ? ORDER BY rowid",
        (context,),
    )
    return [
        PublishedList(
            issuer=KeyId(issuer),
            number=number,
            this_update=this_update,
            next_update=next_update,
            size=size,
            version=version,
        )
        for issuer, number, this_update, next_update, size, version in rows
    ]


def select_part(transaction: Transaction, version: int, part: int) -> bytes | None:
    row = transaction.execute(
        "SELECT data FROM crl_part WHERE version = ? AND part = ?", (version, part)
    ).fetchone()
    return None if row is None else row[0]


def insert_part(transaction: Transaction, version: int, part: int, made_at: int, data: bytes) -> None:
    transaction.execute("INSERT INTO crl_part VALUES (?, ?, ?, ?)", (version, part, made_at, data))


def publish(transaction: Transaction, context: str, row: PublishedList) -> tuple[bool, int | None]:
    """Make this the CA's newest list, all of whose parts are there; False if there is one with this number or a
    later one already. And the version that nobody needs any more.
    """
    before = transaction.execute(
        "SELECT previous FROM crl WHERE context = ? AND issuer = ?", (context, row.issuer)
    ).fetchone()
    changed = transaction.execute(
        "INSERT INTO crl VALUES (?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET number = excluded.number,"
        " this_update = excluded.this_update, next_update = excluded.next_update, size = excluded.size,"
        " version = excluded.version, previous = crl.version WHERE excluded.number > crl.number",
        (context, row.issuer, row.number, row.this_update, row.next_update, row.size, row.version),
    ).rowcount
    if not changed:
        return False, row.version
    return True, None if before is None else before[0]


def delete_part(transaction: Transaction, version: int) -> bool:
    """Forget one part; False if there is none."""
    return bool(
        transaction.execute(
            "DELETE FROM crl_part WHERE rowid IN (SELECT rowid FROM crl_part WHERE version = ? LIMIT 1)",
            (version,),
        ).rowcount
    )


def orphans(transaction: Transaction, before: int) -> list[int]:
    """Versions that no list has, and that were made before: of lists that were never completed, and of former CAs."""
    rows = transaction.execute(
        "SELECT DISTINCT version FROM crl_part WHERE part = 0 AND made_at < ? AND version NOT IN"
        " (SELECT version FROM crl UNION SELECT previous FROM crl WHERE previous IS NOT NULL)",
        (before,),
    )
    return [version for (version,) in rows]


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
