"""The record of what was issued and revoked: one chain of entries in each context, which only ever grows at its end and
is forgotten from its beginning.

What an entry is and how it is bound to the one before: ``core.record``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from caucase.core.record import START, Entry, Kind, Value, link, parse_serial_text, serial_text
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.errors import StoreError
from caucase.store.db import Transaction

_COLUMNS = (
    "context, number, kind, at, serial, subject, names, key_id, issuer, not_before, not_after, address, actor,"
    " renewed_from"
)
# Without it SQLite reads the whole chain, because its order is asked for.
_BY_SERIAL = "INDEXED BY record_serial"
_INSERT = f"INSERT INTO record ({_COLUMNS}, hash) VALUES ({', '.join('?' * 15)})"


@dataclass(frozen=True, kw_only=True)
class Position:
    """An entry's number, and its hash. Number 0 is before the first."""

    number: int
    hash: bytes


BEGINNING = Position(number=0, hash=START)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """How far it reaches: ``pruned`` is the last entry that was forgotten, ``head`` the newest."""

    pruned: Position
    head: Position


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entry, and its number."""

    number: int
    entry: Entry


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Which certificates are looked for; ``None`` for any. ``expires_before``, ``expires_after``: Unix seconds."""

    serial: Serial | None = None
    key_id: KeyId | None = None
    expires_before: int | None = None
    expires_after: int | None = None
    revoked: bool | None = None


def append(transaction: Transaction, context: str, entry: Entry) -> None:
    """Add an entry at the end. The chain is read in the transaction that extends it: several processes do."""
    head = transaction.execute(
        "SELECT number, hash FROM record_chain WHERE context = ?", (context,)
    ).fetchone()
    number, digest = head or (0, START)
    values = entry.values(context, number + 1)
    digest = link(digest, values)
    transaction.execute(_INSERT, (*values, digest))
    if head is None:
        transaction.execute("INSERT INTO record_chain VALUES (?, 1, ?, 0, ?)", (context, digest, START))
    else:
        transaction.execute(
            "UPDATE record_chain SET number = ?, hash = ? WHERE context = ?", (number + 1, digest, context)
        )


def chain(transaction: Transaction, context: str | bytes) -> Chain:
    row = transaction.execute(
        "SELECT number, hash, pruned_number, pruned_hash FROM record_chain WHERE context = ?", (context,)
    ).fetchone()
    if row is None:
        return Chain(pruned=BEGINNING, head=BEGINNING)
    number, digest, pruned_number, pruned_digest = row
    return Chain(
        pruned=Position(number=pruned_number, hash=pruned_digest), head=Position(number=number, hash=digest)
    )


def heads(transaction: Transaction) -> dict[str, Position]:
    """The newest entry of each context that ever had one."""
    rows = transaction.execute("SELECT context, number, hash FROM record_chain ORDER BY context")
    return {context: Position(number=number, hash=digest) for context, number, digest in rows}


def contexts(transaction: Transaction) -> list[str | bytes]:
    """All that have a chain or entries, also those that should have none, in no order."""
    found = {context for (context,) in transaction.execute("SELECT context FROM record_chain")}
    (context,) = transaction.execute("SELECT MIN(context) FROM record").fetchone()
    while context is not None:
        found.add(context)
        (context,) = transaction.execute(
            "SELECT MIN(context) FROM record WHERE context > ?", (context,)
        ).fetchone()
    return list(found)


def walk(transaction: Transaction, context: str | bytes) -> Iterator[tuple[Value, ...]]:
    """All columns of each entry, the hash last, in order, as they are: nothing is taken for granted. StoreError for one
    that cannot be read.
    """
    try:
        yield from transaction.execute(
            f"SELECT {_COLUMNS}, hash FROM record WHERE context = ? ORDER BY number", (context,)
        )
    except sqlite3.OperationalError as error:  # also for a text that is not UTF-8
        raise StoreError(f"It cannot be read: {error}.") from error


def issued(transaction: Transaction, context: str, serial: Serial) -> Entry | None:
    """The certificate that has this serial."""
    return _one(transaction, context, serial, "<>")


def revoked(transaction: Transaction, context: str, serial: Serial) -> Entry | None:
    """The first revocation of that serial."""
    return _one(transaction, context, serial, "=")


def _one(transaction: Transaction, context: str, serial: Serial, comparison: str) -> Entry | None:
    row = transaction.execute(
        f"SELECT {_COLUMNS} FROM record {_BY_SERIAL}"
        f" WHERE context = ? AND serial = ? AND kind {comparison} 'revoked' ORDER BY number LIMIT 1",
        (context, serial_text(serial)),
    ).fetchone()
    return None if row is None else _row(row).entry


def entries(
    transaction: Transaction, context: str, *, after: int, until: int, newest_first: bool
) -> Iterator[Row]:
    """All entries numbered from ``after`` (not included) to ``until``, revocations too, in order."""
    rows = transaction.execute(
        f"SELECT {_COLUMNS} FROM record WHERE context = ? AND number > ? AND number <= ?"
        f" ORDER BY number{_order(newest_first)}",
        (context, after, until),
    )
    return map(_row, rows)


def _order(newest_first: bool) -> str:
    return " DESC" if newest_first else ""


def select(
    transaction: Transaction,
    context: str,
    conditions: Conditions,
    *,
    after: int,
    until: int,
    newest_first: bool = False,
) -> Iterator[Row]:
    """Certificates whose entries are numbered from ``after`` (not included) to ``until``, in order."""
    wanted = conditions
    where = ["context = :context", "number > :after", "number <= :until", "kind <> 'revoked'"]
    if wanted.serial is not None:
        where.append("serial = :serial")
    if wanted.key_id is not None:
        where.append("key_id = :key_id")
    if wanted.expires_before is not None:
        where.append("not_after < :expires_before")
    if wanted.expires_after is not None:
        where.append("not_after >= :expires_after")
    if wanted.revoked is not None:
        where.append(
            f"{'' if wanted.revoked else 'NOT '}EXISTS (SELECT 1 FROM record AS other {_BY_SERIAL} WHERE"
            " other.context = record.context AND other.serial = record.serial AND other.kind = 'revoked')"
        )
    rows = transaction.execute(
        f"SELECT {_COLUMNS} FROM record {'' if wanted.serial is None else _BY_SERIAL}"
        f" WHERE {' AND '.join(where)} ORDER BY number{_order(newest_first)}",
        {
            "context": context,
            "after": after,
            "until": until,
            "serial": None if wanted.serial is None else serial_text(wanted.serial),
            "key_id": wanted.key_id,
            "expires_before": wanted.expires_before,
            "expires_after": wanted.expires_after,
        },
    )
    return map(_row, rows)


def prune(transaction: Transaction, context: str, now: int, limit: int) -> int:
    """Forget the first entries whose certificates ended before ``now``, up to one that did not; how many, at most
    ``limit``.
    """
    last: Position | None = None
    known = chain(transaction, context).pruned.number
    rows = transaction.execute(
        "SELECT number, not_after, hash FROM record WHERE context = ? ORDER BY number LIMIT ?",
        (context, limit),
    )
    for number, not_after, digest in rows:
        if not_after >= now:
            break
        last = Position(number=number, hash=digest)
    if last is None:
        return 0
    transaction.execute("DELETE FROM record WHERE context = ? AND number <= ?", (context, last.number))
    transaction.execute(
        "UPDATE record_chain SET pruned_number = ?, pruned_hash = ? WHERE context = ?",
        (last.number, last.hash, context),
    )
    return last.number - known


def _row(values: tuple[Any, ...]) -> Row:
    _context, number, kind, at, serial, subject, names, key_id, issuer, *rest = values
    not_before, not_after, address, actor, renewed_from = rest
    entry = Entry(
        kind=Kind(kind),
        at=at,
        serial=parse_serial_text(serial),
        subject=subject,
        names=names,
        key_id=key_id,
        issuer=issuer,
        not_before=not_before,
        not_after=not_after,
        address=address,
        actor=actor,
        renewed_from=None if renewed_from is None else parse_serial_text(renewed_from),
    )
    return Row(number=number, entry=entry)
