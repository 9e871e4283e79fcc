"""Revoked serials as they are stored."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.store import Database, revocations
from caucase.store.revocations import UNKNOWN_ISSUER, RevocationRow

ISSUER, OTHER = KeyId(b"issuer"), KeyId(b"other, ")
NOW = 1_700_000_000


def put(database: Database, *rows: tuple[KeyId, int, bytes]) -> None:
    """Issuer, until when it is kept, and the entry of each."""

    def work(transaction) -> None:
        for serial, (issuer, keep_until, entry) in enumerate(rows, 1):
            row = RevocationRow(
                serial=Serial(serial), issuer=issuer, revoked_at=NOW, keep_until=keep_until, entry=entry
            )
            revocations.insert(transaction, "cas", row)

    database.write(work)


def entries(database: Database, issuer: KeyId) -> bytes:
    with database.read() as transaction:
        return revocations.entries(transaction, "cas", issuer, NOW)


def cut(joined: bytes, size: int) -> list[bytes]:
    """The entries, which all have that size; SQLite has promised no order."""
    return sorted(joined[start : start + size] for start in range(0, len(joined), size))


def test_entries_are_those_of_an_issuer_that_are_kept(tmp_path: Path) -> None:
    with Database(tmp_path / "db") as database:
        assert entries(database, ISSUER) == b""
        put(
            database,
            (ISSUER, NOW, b"kept, "),
            (ISSUER, NOW - 1, b"over, "),
            (OTHER, NOW, b"other, "),
            (UNKNOWN_ISSUER, NOW, b"all, "),
        )
        assert entries(database, ISSUER) in (b"kept, all, ", b"all, kept, ")
        assert entries(database, OTHER) in (b"other, all, ", b"all, other, ")


# SQLite puts entries together as if they were text: NULs, what is no UTF-8, and byte order marks stay what they are.
@given(st.lists(st.binary(min_size=60, max_size=60), min_size=1, max_size=30))
def test_no_byte_of_an_entry_is_touched(tmp_path_factory, found: list[bytes]) -> None:
    with Database(tmp_path_factory.mktemp("entries") / "db") as database:
        put(database, *((ISSUER, NOW, entry) for entry in found))
        assert cut(entries(database, ISSUER), 60) == sorted(found)


def test_every_byte_in_every_place(tmp_path: Path) -> None:
    found = [bytes([first, second, first]) for first in range(256) for second in range(0, 256, 5)]
    with Database(tmp_path / "db") as database:
        put(database, *((ISSUER, NOW, entry) for entry in found))
        assert cut(entries(database, ISSUER), 3) == found
