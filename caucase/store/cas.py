"""CA certificates and their keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from caucase.core.spki import KeyId
from caucase.store.db import Transaction
from caucase.store.settings import CA_GENERATION, count


@dataclass(frozen=True, kw_only=True)
class CaRow:
    """A CA as stored, without its key, which is read only when needed. Dates in Unix seconds."""

    key_id: KeyId
    not_before: int
    not_after: int
    certificate: bytes
    link: str | None


@dataclass(frozen=True, kw_only=True)
class NewCa:
    """A CA to be stored."""

    row: CaRow
    private_key: bytes = field(repr=False)


def select_all(transaction: Transaction, context: str) -> list[CaRow]:
    """All CAs of a context, oldest first, expired ones that are not pruned yet included."""
    rows = transaction.execute(
        "SELECT key_id, not_before, not_after, certificate, link FROM ca WHERE context = ? ORDER BY not_before, rowid",
        (context,),
    )
    return [
        CaRow(key_id=KeyId(key_id), not_before=start, not_after=end, certificate=certificate, link=link)
        for key_id, start, end, certificate, link in rows
    ]


def private_key(transaction: Transaction, context: str, key_id: KeyId) -> bytes | None:
    """The key in PKCS#8 DER."""
    row = transaction.execute(
        "SELECT private_key FROM ca WHERE context = ? AND key_id = ?", (context, key_id)
    ).fetchone()
    return None if row is None else row[0]


def insert(transaction: Transaction, context: str, new: NewCa) -> None:
    row = new.row
    transaction.execute(
        "INSERT INTO ca VALUES (?, ?, ?, ?, ?, ?, ?)",
        (context, row.key_id, row.not_before, row.not_after, row.certificate, new.private_key, row.link),
    )
    count(transaction, context, CA_GENERATION)


def set_link(transaction: Transaction, context: str, key_id: KeyId, link: str) -> None:
    """Let another CA vouch for this one."""
    transaction.execute("UPDATE ca SET link = ? WHERE context = ? AND key_id = ?", (link, context, key_id))
    count(transaction, context, CA_GENERATION)


def delete_expired(transaction: Transaction, context: str, now: int) -> int:
    """Forget expired CAs, their keys and lists; how many."""
    transaction.execute(
        "DELETE FROM crl WHERE context = :context AND issuer IN"
        " (SELECT key_id FROM ca WHERE context = :context AND not_after < :now)",
        {"context": context, "now": now},
    )
    deleted = transaction.execute(
        "DELETE FROM ca WHERE context = ? AND not_after < ?", (context, now)
    ).rowcount
    if deleted:
        count(transaction, context, CA_GENERATION)
    return deleted
