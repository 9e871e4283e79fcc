"""The migration that made a record of what was issued and revoked, out of the little that was kept before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from caucase.core.record import START, Entry, Kind, issued, link, parse_serial_text
from caucase.core.spki import KeyId
from caucase.core.x509 import load_certificate_der
from caucase.errors import Malformed

_TABLES = (
    """
    -- What was issued and revoked, an entry each, bound to the one before by its hash (core/record.py).
    -- at: null for what happened before there was a record. serial: of the certificate, the issued or the revoked.
    -- address: from where it was asked for. actor: who decided. Entries are never changed.
    CREATE TABLE record (
        context TEXT NOT NULL,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        at INTEGER,
        serial TEXT NOT NULL,
        subject TEXT,
        names TEXT,
        key_id BLOB,
        issuer BLOB NOT NULL,
        not_before INTEGER,
        not_after INTEGER NOT NULL,
        address TEXT,
        actor TEXT,
        renewed_from TEXT,
        hash BLOB NOT NULL,
        PRIMARY KEY (context, number)
    ) WITHOUT ROWID
    """,
    # The one index whose order is not that of the entries: each more costs a page for each entry, once it is large.
    "CREATE INDEX record_serial ON record (context, serial)",
    """
    -- Where each chain ends, and the last entry that was forgotten at its beginning.
    CREATE TABLE record_chain (
        context TEXT NOT NULL PRIMARY KEY,
        number INTEGER NOT NULL,
        hash BLOB NOT NULL,
        pruned_number INTEGER NOT NULL,
        pruned_hash BLOB NOT NULL
    ) WITHOUT ROWID
    """,
)


def make_record(transaction: sqlite3.Connection) -> None:
    """Replaces the table ``issued``, which knew of a certificate its serial, issuer and end."""
    for statement in _TABLES:
        transaction.execute(statement)
    for (context,) in transaction.execute(
        "SELECT context FROM issued UNION SELECT context FROM revocation"
    ).fetchall():
        number, digest = 0, START
        for number, entry in enumerate(_entries(transaction, context), 1):
            values = entry.values(context, number)
            digest = link(digest, values)
            transaction.execute(
                "INSERT INTO record (context, number, kind, at, serial, subject, names, key_id, issuer, not_before,"
                " not_after, address, actor, renewed_from, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, digest),
            )
        transaction.execute(
            "INSERT INTO record_chain VALUES (?, ?, ?, 0, ?)", (context, number, digest, START)
        )
    transaction.execute("DROP TABLE issued")


def _entries(transaction: sqlite3.Connection, context: str) -> Iterator[Entry]:
    """What was issued, then what was revoked. Of certificates that are still kept everything is known."""
    known = set()
    kept = transaction.execute(
        "SELECT certificate, address FROM request WHERE context = :context AND certificate IS NOT NULL"
        " UNION ALL SELECT certificate, NULL FROM renewal WHERE context = :context",
        {"context": context},
    )
    for der, address in kept:
        try:
            entry = issued(load_certificate_der(der), Kind.IMPORTED, at=None, address=address)
        except Malformed:
            continue
        if entry.serial not in known and _is_issued(transaction, context, entry):
            known.add(entry.serial)
            yield entry
    rows = transaction.execute(
        "SELECT serial, issuer, not_after FROM issued WHERE context = ? ORDER BY not_after", (context,)
    )
    for text, issuer, end in rows:
        if (serial := parse_serial_text(text)) not in known:
            yield Entry(kind=Kind.IMPORTED, at=None, serial=serial, issuer=KeyId(issuer), not_after=end)
    rows = transaction.execute(
        "SELECT revocation.serial, revocation.issuer, revoked_at, IFNULL(not_after, keep_until)"
        " FROM revocation LEFT JOIN issued USING (context, serial) WHERE context = ? ORDER BY revoked_at",
        (context,),
    )
    for text, issuer, at, end in rows:
        yield Entry(
            kind=Kind.REVOKED, at=at, serial=parse_serial_text(text), issuer=KeyId(issuer), not_after=end
        )


def _is_issued(transaction: sqlite3.Connection, context: str, entry: Entry) -> bool:
    found = transaction.execute(
        "SELECT 1 FROM issued WHERE context = ? AND serial = ?", (context, f"{entry.serial:x}")
    )
    return found.fetchone() is not None
