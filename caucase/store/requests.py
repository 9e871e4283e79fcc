"""Requests that wait for a decision, and those that were signed, for as long as they are kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from caucase.core.network import network_of
from caucase.core.spki import KeyId
from caucase.store.db import Transaction

RequestId = NewType("RequestId", int)  # unguessable, 63 bits

REQUEST_ID_BITS = 63


@dataclass(frozen=True, kw_only=True)
class RequestRow:
    """A request as stored. ``certificate`` is ``None`` while it is pending. Dates in Unix seconds."""

    id: RequestId
    key_id: KeyId
    csr: bytes
    address: str
    submitted_at: int
    certificate: bytes | None
    read_at: int | None


@dataclass(frozen=True, kw_only=True)
class NewRequest:
    """A request to be stored. ``digest``: SHA-256 of ``csr``, which is DER."""

    key_id: KeyId
    digest: bytes
    csr: bytes
    address: str
    submitted_at: int


_INSERT = (
    "INSERT INTO request (id, context, key_id, digest, csr, address, network, submitted_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_COLUMNS = "id, key_id, csr, address, submitted_at, certificate, read_at"


def _row(values: tuple[int, bytes, bytes, str, int, bytes | None, int | None]) -> RequestRow:
    request_id, key_id, csr, address, submitted_at, certificate, read_at = values
    return RequestRow(
        id=RequestId(request_id),
        key_id=KeyId(key_id),
        csr=csr,
        address=address,
        submitted_at=submitted_at,
        certificate=certificate,
        read_at=read_at,
    )


def select(transaction: Transaction, context: str, request_id: RequestId, now: int) -> RequestRow | None:
    """A request that is pending or still kept."""
    row = transaction.execute(
        f"SELECT {_COLUMNS} FROM request WHERE id = ? AND context = ? AND (keep_until IS NULL OR keep_until >= ?)",
        (request_id, context, now),
    ).fetchone()
    return None if row is None else _row(row)


def select_pending(transaction: Transaction, context: str) -> list[RequestRow]:
    """Pending requests, the one that waits longest first."""
    rows = transaction.execute(
        f"SELECT {_COLUMNS} FROM request WHERE context = ? AND certificate IS NULL ORDER BY submitted_at, number",
        (context,),
    )
    return [_row(row) for row in rows]


def count_pending(transaction: Transaction, context: str) -> int:
    row = transaction.execute("SELECT number FROM pending WHERE context = ?", (context,)).fetchone()
    return 0 if row is None else row[0]


def count_pending_of(transaction: Transaction, context: str, address: str) -> int:
    """How many pending requests there are from that address, or from its network if it is an IPv6 one."""
    value: int = transaction.execute(
        "SELECT COUNT(*) FROM request WHERE context = ? AND network = ? AND certificate IS NULL",
        (context, network_of(address)),
    ).fetchone()[0]
    return value


def count_signed(transaction: Transaction, context: str) -> int:
    """How many signed requests are kept."""
    value: int = transaction.execute(
        "SELECT COUNT(*) FROM request WHERE context = ? AND certificate IS NOT NULL", (context,)
    ).fetchone()[0]
    return value


def find(transaction: Transaction, context: str, digest: bytes, now: int) -> RequestRow | None:
    """The request that is the same, byte for byte."""
    row = transaction.execute(
        f"SELECT {_COLUMNS} FROM request WHERE context = ? AND digest = ? AND (keep_until IS NULL OR keep_until >= ?)",
        (context, digest, now),
    ).fetchone()
    return None if row is None else _row(row)


def key_is_known(transaction: Transaction, context: str, key_id: KeyId, now: int) -> bool:
    """Whether a pending or kept request, or a kept renewal, has this key."""
    row = transaction.execute(
        "SELECT EXISTS (SELECT 1 FROM request WHERE context = :context AND key_id = :key_id"
        " AND (keep_until IS NULL OR keep_until >= :now))"
        " OR EXISTS (SELECT 1 FROM renewal WHERE context = :context AND key_id = :key_id AND keep_until >= :now)",
        {"context": context, "key_id": key_id, "now": now},
    ).fetchone()
    return bool(row[0])


def insert(transaction: Transaction, context: str, request_id: RequestId, new: NewRequest) -> bool:
    """Store a pending request; False, and nothing stored, if the id is taken."""
    row = (
        request_id,
        context,
        new.key_id,
        new.digest,
        new.csr,
        new.address,
        network_of(new.address),
        new.submitted_at,
    )
    try:
        transaction.execute(_INSERT, row)
    except sqlite3.IntegrityError:
        # An expired entry that is not pruned yet gives way to the same request.
        if not transaction.execute(
            "DELETE FROM request WHERE context = ? AND digest = ?", (context, new.digest)
        ).rowcount:
            return False
        return insert(transaction, context, request_id, new)
    return True


def set_certificate(
    transaction: Transaction, context: str, request_id: RequestId, certificate: bytes, keep_until: int
) -> bool:
    """Store the certificate of a pending request; False if there is no such request, or not any more."""
    changed = transaction.execute(
        "UPDATE request SET certificate = ?, keep_until = ? WHERE id = ? AND context = ? AND certificate IS NULL",
        (certificate, keep_until, request_id, context),
    ).rowcount
    return changed == 1


def set_read(
    transaction: Transaction, context: str, request_id: RequestId, now: int, keep_until: int
) -> None:
    """Note the first reading of a certificate, and keep it no longer than ``keep_until``."""
    transaction.execute(
        "UPDATE request SET read_at = ?, keep_until = MIN(keep_until, ?)"
        " WHERE id = ? AND context = ? AND read_at IS NULL",
        (now, keep_until, request_id, context),
    )


def delete_pending(transaction: Transaction, context: str, request_id: RequestId) -> bool:
    """Reject; False if there is no such pending request."""
    deleted = transaction.execute(
        "DELETE FROM request WHERE id = ? AND context = ? AND certificate IS NULL", (request_id, context)
    ).rowcount
    return deleted == 1


def expired(transaction: Transaction, context: str, now: int, limit: int) -> list[RequestId]:
    """Signed requests that need not be kept any more."""
    # What SQLite would choose reads all of the context.
    rows = transaction.execute(
        "SELECT id FROM request INDEXED BY request_kept WHERE context = ? AND keep_until < ? LIMIT ?",
        (context, now, limit),
    )
    return [RequestId(request_id) for (request_id,) in rows]


def delete_expired(transaction: Transaction, ids: Sequence[RequestId], now: int) -> None:
    """Forget them, if nothing has changed."""
    transaction.executemany(
        "DELETE FROM request WHERE id = ? AND keep_until < ?", [(request_id, now) for request_id in ids]
    )
