"""The record's chains: they grow at the end, are forgotten from the beginning, and were made of what was there before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from caucase.core.issue import Validity, issue_ca
from caucase.core.record import START, Entry, Kind, link
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial, dump_der, load_request, not_after
from caucase.store import Database, record, schema
from caucase.store.db import migrate
from caucase.store.record import BEGINNING, Conditions

ENTRY = Entry(
    kind=Kind.SIGNED, at=1, serial=Serial(1), issuer=KeyId(b"\x01"), key_id=KeyId(b"k"), not_after=10
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "caucase.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with Database(path) as opened:
        yield opened


def add(database: Database, *entries: Entry, context: str = "cas") -> None:
    for entry in entries:
        database.write(lambda transaction, entry=entry: record.append(transaction, context, entry))


def entries(*ends: int) -> list[Entry]:
    return [replace(ENTRY, serial=Serial(number), not_after=end) for number, end in enumerate(ends, 1)]


def numbers(database: Database, context: str = "cas") -> list[object]:
    with database.read() as transaction:
        return [row[1] for row in record.walk(transaction, context)]


def prune(database: Database, now: int, limit: int = 100) -> int:
    return database.write(lambda transaction: record.prune(transaction, "cas", now, limit))


def test_each_context_has_a_chain(database: Database) -> None:
    add(database, *entries(1, 2))
    add(database, ENTRY, context="cau")
    assert (numbers(database), numbers(database, "cau")) == ([1, 2], [1])
    with database.read() as transaction:
        heads = record.heads(transaction)
        for context, count in (("cas", 2), ("cau", 1)):
            digest = START
            for *values, stored in record.walk(transaction, context):
                digest = link(digest, values)
                assert stored == digest
            assert (heads[context].number, heads[context].hash) == (count, digest)
        assert record.chain(transaction, "https").head == BEGINNING
        assert sorted(record.contexts(transaction)) == ["cas", "cau"]  # type: ignore[type-var]


def test_several_processes_write_one_chain(path: Path, database: Database) -> None:
    def write(_: int) -> None:
        with Database(path) as own:
            for serial in range(25):
                add(own, replace(ENTRY, serial=Serial(serial + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert numbers(database) == list(range(1, 101))
    with database.read() as transaction:
        digest = START
        for *values, stored in record.walk(transaction, "cas"):
            digest = link(digest, values)
            assert stored == digest


def test_what_is_undone_is_not_in_it(database: Database) -> None:
    def fail(transaction: sqlite3.Connection) -> None:
        record.append(transaction, "cas", ENTRY)
        raise LookupError

    with pytest.raises(LookupError):
        database.write(fail)
    add(database, ENTRY)
    assert numbers(database) == [1]


def test_found_by_serial(database: Database) -> None:
    revoked = replace(ENTRY, kind=Kind.REVOKED, actor="CN=boss")
    add(database, ENTRY, revoked, replace(revoked, actor="late"), replace(revoked, serial=Serial(5)))
    with database.read() as transaction:
        assert record.issued(transaction, "cas", Serial(1)) == ENTRY
        assert record.revoked(transaction, "cas", Serial(1)) == revoked
        assert record.issued(transaction, "cas", Serial(5)) is None
        assert record.issued(transaction, "cau", Serial(1)) is None
        assert record.revoked(transaction, "cas", Serial(2)) is None


def test_everything_comes_back(database: Database) -> None:
    full = Entry(
        kind=Kind.RENEWED, at=1, serial=Serial(2**159 - 1), subject="CN=ü", names='["DNS:x"]', key_id=KeyId(b"k"),
        issuer=KeyId(b"i"), not_before=2, not_after=3, address="a", actor="b", renewed_from=Serial(0xFF),
    )  # fmt: skip
    bare = Entry(kind=Kind.IMPORTED, at=None, serial=Serial(1), issuer=KeyId(b""), not_after=3)
    add(database, full, bare)
    with database.read() as transaction:
        found = list(record.select(transaction, "cas", Conditions(), after=0, until=9))
    assert [row.entry for row in found] == [full, bare]


def test_conditions(database: Database) -> None:
    revoked = replace(ENTRY, kind=Kind.REVOKED, serial=Serial(2))
    add(database, *entries(10, 20, 30), revoked, replace(ENTRY, serial=Serial(4), key_id=None))

    def found(after: int = 0, until: int = 9, **conditions: object) -> list[int]:
        with database.read() as transaction:
            rows = record.select(
                transaction,
                "cas",
                Conditions(**conditions),
                after=after,
                until=until,  # type: ignore[arg-type]
            )
            return [row.number for row in rows]

    assert found() == [1, 2, 3, 5]
    assert found(after=1, until=3) == [2, 3]
    assert found(serial=2) == [2]
    assert found(key_id=b"k") == [1, 2, 3]
    assert found(expires_before=20) == [1, 5]
    assert found(revoked=True) == [2]
    assert found(revoked=False, expires_before=11) == [1, 5]


def test_only_the_beginning_is_forgotten(database: Database) -> None:
    add(database, *entries(10, 20, 30, 5, 40))
    assert prune(database, 10) == 0
    assert prune(database, 30) == 2
    assert numbers(database) == [3, 4, 5]
    with database.read() as transaction:
        chain = record.chain(transaction, "cas")
        first = next(record.walk(transaction, "cas"))
    assert chain.pruned.number == 2
    assert link(chain.pruned.hash, first[:-1]) == first[-1]
    # The one that lasts longer kept the shorter one behind it.
    assert prune(database, 31, limit=1) == 1
    assert prune(database, 31, limit=1) == 1
    assert prune(database, 31, limit=1) == 0
    assert prune(database, 41) == 1
    add(database, ENTRY)
    assert numbers(database) == [6]


def test_an_empty_record_is_pruned(database: Database) -> None:
    assert prune(database, 10**9) == 0
    with database.read() as transaction:
        assert record.contexts(transaction) == []


# What was there before there was a record


@pytest.fixture
def make_certificate(keys) -> Callable[[int], x509.Certificate]:
    """A certificate with that serial number, which it has as its name too."""

    def make(serial: int) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{serial:x}")])
        return issue_ca(
            keys(),
            subject=name,
            extensions=[],
            validity=Validity.starting(datetime(2030, 1, 1, tzinfo=UTC), timedelta(days=9)),
            serial=Serial(serial),
        ).certificate

    return make


@pytest.fixture
def old(path: Path) -> sqlite3.Connection:
    """A database of the first schema, open."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    migrate(connection, 0, 1)
    return connection


def test_a_database_of_before(path: Path, old: sqlite3.Connection, make_certificate, make_csr) -> None:
    known, pruned, renewed = (make_certificate(serial) for serial in (0xA1, 0xA2, 0xA3))
    csr = dump_der(load_request(make_csr()))
    for number, certificate in enumerate((known, pruned)):
        old.execute(
            "INSERT INTO request VALUES (?, 'cau', x'01', ?, ?, '192.0.2.9', 1, ?, 2, NULL)",
            (number, bytes([number]), csr, dump_der(certificate)),
        )
    old.execute(
        "INSERT INTO request VALUES (9, 'cau', x'01', x'99', ?, '192.0.2.9', 1, x'00', 2, NULL)", (csr,)
    )
    old.execute("INSERT INTO renewal VALUES (x'01', 'cau', x'02', ?, 5)", (dump_der(renewed),))
    for serial, end in (("a1", 50), ("a3", 60), ("ff", 70), ("fe", 65)):
        old.execute("INSERT INTO issued VALUES ('cau', ?, x'0102', ?)", (serial, end))
    old.execute("INSERT INTO issued VALUES ('cas', 'c1', x'03', 80)")
    old.execute("INSERT INTO revocation VALUES ('cau', 'ff', x'0102', 33, 99, x'00')")
    old.execute("INSERT INTO revocation VALUES ('cau', 'dd', x'', 22, 98, x'00')")
    old.close()

    with Database(path) as database, database.read() as transaction:
        assert transaction.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert "issued" not in {name for (name,) in transaction.execute("SELECT name FROM sqlite_master")}
        rows = list(record.walk(transaction, "cau"))
        short = [(row[1], row[2], row[3], row[4], row[5], row[10], row[11]) for row in rows]
        end = int(not_after(known).timestamp())
        assert short == [
            (1, "imported", None, "a1", "CN=a1", end, "192.0.2.9"),
            (2, "imported", None, "a3", "CN=a3", end, None),
            (3, "imported", None, "fe", None, 65, None),
            (4, "imported", None, "ff", None, 70, None),
            (5, "revoked", 22, "dd", None, 98, None),
            (6, "revoked", 33, "ff", None, 70, None),
        ]
        assert [row[4] for row in record.walk(transaction, "cas")] == ["c1"]
        for context in ("cau", "cas"):
            digest = START
            for *values, stored in record.walk(transaction, context):
                digest = link(digest, values)
                assert stored == digest
            assert record.chain(transaction, context).head.hash == digest


def test_nothing_was_there_before(path: Path, old: sqlite3.Connection) -> None:
    old.close()
    with Database(path) as database:
        add(database, ENTRY)
        assert numbers(database) == [1]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_page_reads_no_more_than_it_has(database: Database, newest_first: bool) -> None:
    """Whatever is looked for, and from which end: rows come in the order of the table, and are not sorted first."""
    plans: list[str] = []
    with database.read() as transaction:

        class Explaining:
            def execute(self, sql: str, parameters: object) -> Any:
                rows = transaction.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)  # type: ignore[arg-type]
                plans.extend(detail for *_, detail in rows)
                return iter(())

        explaining: Any = Explaining()
        list(record.entries(explaining, "cas", after=0, until=5, newest_first=newest_first))
        conditions = Conditions(expires_before=5, expires_after=3, revoked=False)
        list(record.select(explaining, "cas", conditions, after=0, until=5, newest_first=newest_first))
    assert plans
    assert not [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE" in plan]
