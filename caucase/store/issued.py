"""Certificates that are still kept, and renewals that may be asked for again. What was ever issued: ``record``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caucase.core.spki import KeyId
from caucase.store.db import Transaction


@dataclass(frozen=True, kw_only=True)
class RenewalRow:
    """A renewal that was answered. ``digest``: of what was asked. ``key_id``: of the new key."""

    digest: bytes
    key_id: KeyId
    certificate: bytes
    keep_until: int


def select_certificates(transaction: Transaction, context: str, now: int) -> list[tuple[KeyId, bytes]]:
    """All certificates that are still kept, those of renewals too, each after the identifier of its key, in DER."""
    rows = transaction.execute(
        "SELECT key_id, certificate FROM request"
        " WHERE context = :context AND certificate IS NOT NULL AND keep_until >= :now"
        " UNION SELECT key_id, certificate FROM renewal WHERE context = :context AND keep_until >= :now",
        {"context": context, "now": now},
    )
    return [(KeyId(key_id), certificate) for key_id, certificate in rows]


def select_certificates_of(transaction: Transaction, context: str, key_id: KeyId) -> list[bytes]:
    """The certificates, in DER, that are there for this key, expired ones that are not pruned yet included."""
    rows = transaction.execute(
        "SELECT certificate FROM request"
        " WHERE context = :context AND key_id = :key_id AND certificate IS NOT NULL"
        " UNION SELECT certificate FROM renewal WHERE context = :context AND key_id = :key_id",
        {"context": context, "key_id": key_id},
    )
    return [certificate for (certificate,) in rows]


def find_renewal(transaction: Transaction, digest: bytes, now: int) -> bytes | None:
    """The certificate that was the answer to the same renewal."""
    row = transaction.execute(
        "SELECT certificate FROM renewal WHERE digest = ? AND keep_until >= ?", (digest, now)
    ).fetchone()
    return None if row is None else row[0]


def insert_renewal(transaction: Transaction, context: str, renewal: RenewalRow) -> None:
    transaction.execute(
        "INSERT OR REPLACE INTO renewal (digest, context, key_id, certificate, keep_until) VALUES (?, ?, ?, ?, ?)",
        (renewal.digest, context, renewal.key_id, renewal.certificate, renewal.keep_until),
    )


def expired_renewals(transaction: Transaction, context: str, now: int, limit: int) -> list[bytes]:
    """Digests of renewals that need not be kept any more."""
    # What SQLite would choose reads all of the context.
    rows = transaction.execute(
        "SELECT digest FROM renewal INDEXED BY renewal_kept WHERE context = ? AND keep_until < ? LIMIT ?",
        (context, now, limit),
    )
    return [digest for (digest,) in rows]


def delete_expired_renewals(transaction: Transaction, digests: Sequence[bytes], now: int) -> None:
    """Forget them, if nothing has changed."""
    transaction.executemany(
        "DELETE FROM renewal WHERE digest = ? AND keep_until < ?", [(digest, now) for digest in digests]
    )
