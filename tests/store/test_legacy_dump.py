"""The dump in a backup of the peer's: read, not executed; whatever it does not need is refused."""

from __future__ import annotations

import contextlib
import re
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caucase.errors import CaucaseError, Malformed, TooLarge
from caucase.store import legacy_dump
from caucase.store.legacy import Legacy, read_database
from caucase.store.legacy_dump import read_dump

from ..former import FormerDatabase


@pytest.fixture
def former(clock, keys, make_csr) -> FormerDatabase:
    made = FormerDatabase(clock(), keys)
    made.add_all_cas()
    made.add_certificate("cas", 7, make_csr("www"))
    made.revoke("cas", 123)
    made.set("cascounter", {"received_csr": 9, "it's": 1})
    made.set("casconfig", {"crl_last_update": "1893456000"})
    return made


def test_it_says_what_the_database_says(former: FormerDatabase, tmp_path) -> None:
    assert read_dump([former.dump()]) == read_database(former.save(tmp_path / "old.sqlite"))


@settings(deadline=None)  # a busy machine is no failure
@given(size=st.integers(1, 300))
def test_blocks_of_any_size(size: int) -> None:
    dump = small()
    assert read_dump(dump[start : start + size] for start in range(0, len(dump), size)) == read_dump([dump])


def small(*statements: str, table: str = "cas") -> bytes:
    """A dump without a CA, with these statements before its end."""
    columns = {
        "ca": "(expiration_date INTEGER, key TEXT, crt TEXT)",
        "crt": "(id INTEGER PRIMARY KEY, key_id TEXT UNIQUE, expiration_date INTEGER, csr TEXT, crt TEXT)",
        "revoked": "(serial TEXT PRIMARY KEY, revocation_date INTEGER, expiration_date INTEGER)",
        "counter": "(name TEXT PRIMARY KEY, value INTEGER)",
        "config_once": "(name TEXT PRIMARY KEY, value TEXT)",
        "config": "(name TEXT PRIMARY KEY, value TEXT)",
    }
    every = [
        "BEGIN TRANSACTION;",
        *(f"CREATE TABLE {table}{kind} {text};" for kind, text in columns.items()),
        "INSERT INTO \"casrevoked\" VALUES('5',10,20);",
        *statements,
        "COMMIT;",
    ]
    return b"".join(statement.encode() + b"\0" for statement in every)


def test_columns_in_another_order() -> None:
    dump = small().replace(
        b"(serial TEXT PRIMARY KEY, revocation_date INTEGER, expiration_date INTEGER)",
        b"(revocation_date INTEGER, expiration_date INTEGER, serial TEXT PRIMARY KEY)",
    )
    (revoked,) = (
        read_dump([dump.replace(b"VALUES('5',10,20)", b"VALUES(10,20,'5')")]).contexts["cas"].revocations
    )
    assert (revoked.serial, revoked.revoked_at, revoked.keep_until) == (5, 10, 20)


HOSTILE = [
    "ATTACH DATABASE '/tmp/x' AS x;",
    "PRAGMA writable_schema=ON;",
    "PRAGMA journal_mode=WAL;",
    "CREATE TRIGGER t AFTER INSERT ON casca BEGIN SELECT 1; END;",
    "CREATE VIEW v AS SELECT * FROM casca;",
    "CREATE TABLE other (a TEXT);",
    "CREATE TABLE sqlite_master (a TEXT);",
    "CREATE TABLE cauca AS SELECT 1;",
    "CREATE TABLE cauca (expiration_date INTEGER, key TEXT, crt TEXT DEFAULT (load_extension('x')));",
    "CREATE TABLE cauca (expiration_date INTEGER, key TEXT, crt TEXT CHECK (1));",
    "CREATE TABLE cauca (expiration_date INTEGER, key TEXT);",
    "CREATE TABLE cauca (expiration_date INTEGER, key TEXT, crt TEXT, more TEXT);",
    "CREATE TABLE casca (expiration_date INTEGER, key TEXT, crt TEXT);",
    "CREATE TEMP TABLE cauca (expiration_date INTEGER, key TEXT, crt TEXT);",
    "CREATE VIRTUAL TABLE cauca USING fts5(x);",
    "CREATE INDEX i ON casca (key);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,20);INSERT INTO \"casrevoked\" VALUES('7',10,20);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,20); ATTACH 'x' AS y;",
    "INSERT INTO \"casrevoked\" VALUES('6',10);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,20,30);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,20",
    "INSERT INTO \"casrevoked\" VALUES('6,10,20);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,random());",
    "INSERT INTO \"casrevoked\" VALUES('6',10,1e9);",
    "INSERT INTO \"casrevoked\" VALUES('6',10,(SELECT 1));",
    "INSERT INTO \"casrevoked\" VALUES(zeroblob(1000000000),10,20);",
    "INSERT INTO \"casrevoked\" VALUES(replace('6','6','7'),10,20);",
    "INSERT INTO \"casrevoked\" VALUES(X'363',10,20);",
    "INSERT INTO \"casrevoked\" VALUES(X'GG',10,20);",
    "INSERT INTO \"casrevoked\" SELECT * FROM casrevoked;",
    "INSERT INTO \"casrevoked\" DEFAULT VALUES;",
    "INSERT INTO \"cauca\" VALUES(1,'a','b');",
    "INSERT INTO \"sqlite_master\" VALUES('table','x','x',1,'x');",
    "INSERT OR REPLACE INTO \"casrevoked\" VALUES('5',10,20);",
    "insert into \"casrevoked\" values('6',10,20);",
    "REPLACE INTO \"casrevoked\" VALUES('5',10,20);",
    "UPDATE casrevoked SET serial = 1;",
    "DELETE FROM \"casrevoked\";",
    "DROP TABLE casrevoked;",
    "ALTER TABLE casrevoked ADD COLUMN x;",
    "SELECT load_extension('/tmp/x.so');",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r;",
    "VACUUM INTO '/tmp/x';",
    "ANALYZE;",
    "REINDEX;",
    "BEGIN TRANSACTION;",
    "ROLLBACK;",
    "SAVEPOINT x;",
    "/* */",
    "-- x",
    ";",
    "",
    "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("statement", HOSTILE)
def test_hostile_statements(statement: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_dump([small(statement)])
    assert "\n" not in str(caught.value)


def test_a_key_is_never_shown() -> None:
    with pytest.raises(Malformed) as caught:
        read_dump([small("INSERT INTO \"casca\" VALUES(1,'SECRET',(SELECT 1));")])
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "dump",
    [
        b"",
        b"\0",
        b"COMMIT;\0",
        b"BEGIN TRANSACTION;\0",
        b"BEGIN TRANSACTION;\0COMMIT;\0",
        small()[:-1],
        small()[:-8],
        small() + b"COMMIT;\0",
        small() + b"x",
        b"\xff\xfe" + small(),
        small(table="other"),
    ],
    ids=range(11),
)
def test_no_dump(dump: bytes) -> None:
    with pytest.raises(Malformed):
        read_dump([dump])


def test_before_0_9_9() -> None:
    outdated = "CREATE TABLE cascrl (expiration_date INTEGER, crl TEXT);"
    filled = "INSERT INTO \"cascrl\" VALUES(1,'x');"
    dump = small(outdated, filled)
    assert read_dump([dump]) == read_dump([small()])  # brought up to date by a later release
    created = re.search(rb"CREATE TABLE casconfig \(.*?\0", dump)
    assert created
    with pytest.raises(Malformed, match=r"before 0\.9\.9"):
        read_dump([dump.replace(created[0], b"")])


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=40), st.integers(0, len(small())), st.integers(0, 20))
def test_changed_anywhere(insert: bytes, place: int, cut: int) -> None:
    """Nothing but a sentence, or a database that says something else."""
    dump = small()
    with contextlib.suppress(CaucaseError):
        assert isinstance(read_dump([dump[:place] + insert + dump[place + cut :]]), Legacy)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    # The real limits would take a gigabyte of memory here.
    monkeypatch.setattr(legacy_dump, "STATEMENT_LIMIT", 1000)
    monkeypatch.setattr(legacy_dump, "DUMP_LIMIT", 5000)
    read_dump([small()])
    with pytest.raises(TooLarge, match="statement"):
        read_dump([small(), b"x" * 1001])
    with pytest.raises(TooLarge, match="dump"):
        read_dump([small(*["INSERT INTO \"casrevoked\" VALUES('6',10,20);"] * 200)])


def test_a_long_value_takes_no_time() -> None:
    """Matching is linear: neither quotes nor hexadecimal digits make it go back."""
    for value in ("''" * 2_000_000, "a" * 4_000_000):
        read_dump([small(f"INSERT INTO \"casca\" VALUES(1,'{value}','x');")])
        with pytest.raises(Malformed):
            read_dump([small(f'INSERT INTO "casca" VALUES(1,\'{value}')])
    with pytest.raises(Malformed):
        read_dump([small(f"INSERT INTO \"casca\" VALUES(1,X'{'0' * 4_000_000}G','x');")])


def test_a_statement_in_many_blocks_is_put_together_once() -> None:
    """Copying what there is with each block would make it quadratic: 30 MB in blocks of 1 KB would be 450 GB."""
    before, after = small().split(b"COMMIT;")
    dump = before + b'INSERT INTO "casrevoked" VALUES(\'' + b"7" * (30 << 20) + b"',1,1);\0COMMIT;" + after
    blocks = (dump[start : start + 1024] for start in range(0, len(dump), 1024))
    began = time.process_time()
    with contextlib.suppress(Malformed):
        read_dump(blocks)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE cauca (" + "," * 10**7 + ");", 'INSERT INTO "casrevoked" VALUES(' + "1," * 10**7 + "1);"],
)
def test_so_many_columns_are_not_looked_at(statement: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            list(legacy_dump._tables(iter([b"BEGIN TRANSACTION;", *CREATED, statement.encode()])))
        assert tracemalloc.get_traced_memory()[1] < 3 * len(statement)
    finally:
        tracemalloc.stop()


CREATED = [
    b"CREATE TABLE casrevoked (serial TEXT PRIMARY KEY, revocation_date INTEGER, expiration_date INTEGER);"
]
