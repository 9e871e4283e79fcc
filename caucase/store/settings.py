"""Settings that stay what they first were, and counters."""

from __future__ import annotations

from caucase.store.db import Transaction

RECEIVED_CSR = "received_csr"
CRL_NUMBER = "crl_number"
CA_GENERATION = "ca_generation"
RECORD_TOLD = "record_told"
NETLOC = "netloc"


def setting(transaction: Transaction, name: str) -> str | None:
    row = transaction.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def first_setting(transaction: Transaction, name: str, value: str) -> str:
    """Store ``value`` unless there is one already; the one that counts is returned."""
    transaction.execute("INSERT INTO setting VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value))
    kept = setting(transaction, name)
    assert kept is not None
    return kept


def counter(transaction: Transaction, context: str, name: str) -> int:
    """The counter's value, 0 when it never counted."""
    row = transaction.execute(
        "SELECT value FROM counter WHERE context = ? AND name = ?", (context, name)
    ).fetchone()
    return 0 if row is None else row[0]


def counters(transaction: Transaction, context: str, *names: str) -> tuple[int, ...]:
    """The values of these counters, read at once."""
    values = dict(transaction.execute("SELECT name, value FROM counter WHERE context = ?", (context,)))
    return tuple(values.get(name, 0) for name in names)


def count(transaction: Transaction, context: str, name: str) -> int:
    """Add one and return the new value."""
    row = transaction.execute(
        "INSERT INTO counter VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value",
        (context, name),
    ).fetchone()
    value: int = row[0]
    return value


def raise_counter(transaction: Transaction, context: str, name: str, least: int) -> None:
    """See to it that the counter stands at ``least`` or higher."""
    transaction.execute(
        "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = MAX(value, excluded.value)",
        (context, name, least),
    )


def generations(transaction: Transaction) -> int:
    """Moves whenever the CA certificates of any context change."""
    row = transaction.execute("SELECT SUM(value) FROM counter WHERE name = ?", (CA_GENERATION,)).fetchone()
    return row[0] or 0
