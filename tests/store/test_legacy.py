"""The former database: read as it is, never changed, refused when it is something else."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from caucase.errors import CaucaseError, Malformed, StoreError
from caucase.store.legacy import Legacy, read_database

from ..former import SCHEMA, FormerDatabase


@pytest.fixture
def former(clock, keys, make_csr) -> FormerDatabase:
    made = FormerDatabase(clock(), keys)
    made.add_all_cas()
    made.add_request("cas", 5, make_csr("pending"))
    made.add_certificate("cau", 7, make_csr("alice"))
    made.revoke("cas", 123)
    made.set("cascounter", {"received_csr": 9, "crl_number": 4})
    made.set("casconfig_once", {"auto_sign_csr_amount": "2"})
    made.set("casconfig", {"crl_last_update": "1893456000"})
    return made


def test_all_of_it(former: FormerDatabase, tmp_path: Path) -> None:
    legacy = read_database(former.save(tmp_path / "old.sqlite"))
    services = legacy.contexts["cas"]
    assert [(one.id, one.certificate_pem, one.keep_until) for one in services.requests] == [(5, None, None)]
    assert [one.serial for one in services.revocations] == [123]
    assert (services.received_csr, services.crl_number) == (9, 4)
    assert (services.auto_approve_count, services.last_list) == (2, 1893456000)
    users = legacy.contexts["cau"]
    assert users.requests[0].certificate_pem is not None
    assert (users.received_csr, users.crl_number, users.auto_approve_count) == (0, 0, None)
    assert all(len(legacy.contexts[name].cas) == 1 for name in ("cau", "cas", "https"))


def test_no_key_is_shown(former: FormerDatabase, tmp_path: Path) -> None:
    legacy = read_database(former.save(tmp_path / "old.sqlite"))
    assert "PRIVATE" not in repr(legacy)


def test_text_and_blobs_are_the_same(former: FormerDatabase, tmp_path: Path) -> None:
    path = former.save(tmp_path / "old.sqlite")
    before = read_database(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE casca SET key = CAST(key AS TEXT), crt = CAST(crt AS TEXT)")
        connection.commit()
    assert read_database(path) == before


def test_nothing_is_changed(former: FormerDatabase, tmp_path: Path) -> None:
    path = former.save(tmp_path / "old.sqlite")
    path.chmod(0o400)
    before = path.read_bytes(), path.stat().st_mtime_ns
    read_database(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [one.name for one in tmp_path.iterdir()] == ["old.sqlite"]


def test_a_name_that_is_special_in_a_url(former: FormerDatabase, tmp_path: Path) -> None:
    assert isinstance(read_database(former.save(tmp_path / "old?mode=rw#%41.sqlite")), Legacy)


def test_a_database_that_only_an_import_made(former: FormerDatabase, tmp_path: Path) -> None:
    path = former.save(tmp_path / "old.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        for prefix in ("cau", "http_cas"):
            for kind in SCHEMA:
                connection.execute(f"DROP TABLE {prefix}{kind}")
    legacy = read_database(path)
    assert len(legacy.contexts["cas"].cas) == 1
    assert legacy.contexts["cau"].cas == ()


def hot_journal(path: Path) -> None:
    """A process that was killed while it wrote: the file alone is not what was committed."""
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size=1'); c.execute('BEGIN')\n"
        "c.executemany('INSERT INTO casrevoked VALUES (?, 1, 1)', ((str(n) * 40,) for n in range(10, 2000)))\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
    assert path.with_name(path.name + "-journal").stat().st_size


def wal_left(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("DELETE FROM casrevoked")
        connection.commit()
        saved = path.with_name(path.name + "-wal").read_bytes()
    path.with_name(path.name + "-wal").write_bytes(saved)


def wal_mode(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


@pytest.mark.parametrize(
    ("leave", "said"), [(hot_journal, "-journal"), (wal_left, "-wal"), (wal_mode, "WAL mode")]
)
def test_one_that_would_have_to_be_repaired(former: FormerDatabase, tmp_path: Path, leave, said) -> None:
    path = former.save(tmp_path / "old.sqlite")
    leave(path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(StoreError, match=said):
        read_database(path)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_before_0_9_9(former: FormerDatabase, tmp_path: Path) -> None:
    schema = {kind: columns for kind, columns in SCHEMA.items() if kind != "config"}
    path = former.save(tmp_path / "old.sqlite", schema={**schema, "crl": "expiration_date INTEGER, crl TEXT"})
    with pytest.raises(Malformed, match=r"before 0\.9\.9"):
        read_database(path)


def test_one_that_a_later_release_has_brought_up_to_date(former: FormerDatabase, tmp_path: Path) -> None:
    """It leaves the tables behind that it found empty."""
    before = read_database(former.save(tmp_path / "old.sqlite"))
    schema = {**SCHEMA, "crl": "expiration_date INTEGER, crl TEXT"}
    assert read_database(former.save(tmp_path / "older.sqlite", schema=schema)) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE casrevoked", "casrevoked is missing"),
        ("ALTER TABLE casca RENAME COLUMN crt TO certificate", "crt"),
        ("UPDATE casrevoked SET serial = 'x'", "a number"),
        ("UPDATE casrevoked SET serial = '-5'", "a number"),
        ("UPDATE casrevoked SET serial = '" + "9" * 5000 + "'", "a number"),
        ("UPDATE casrevoked SET revocation_date = 1 << 62", "a date"),
        ("UPDATE casrevoked SET expiration_date = NULL", "a date"),
        ("UPDATE cascounter SET value = -1", "a number"),
        ("UPDATE cascounter SET value = 9223372036854775807", "a number"),
        ("UPDATE casca SET key = NULL", "text"),
        ("UPDATE casconfig SET value = 'soon'", "a number"),
        ("UPDATE casconfig SET value = '99999999999999'", "a date"),
        # What pretends to be a table and would run something.
        ("ALTER TABLE casca RENAME TO x; CREATE VIEW casca AS SELECT * FROM x", "casca is missing"),
    ],
)  # fmt: skip
def test_something_else_in_it(former: FormerDatabase, tmp_path: Path, statement: str, said: str) -> None:
    path = former.save(tmp_path / "old.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    with pytest.raises(CaucaseError, match=said):
        read_database(path)


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0", b"nonsense" * 1000], ids=["empty", "cut", "text"]
)
def test_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "old.sqlite"
    path.write_bytes(content)
    with pytest.raises(CaucaseError):
        read_database(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read_database(tmp_path / "old.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_page(former: FormerDatabase, tmp_path: Path) -> None:
    path = former.save(tmp_path / "old.sqlite")
    data = bytearray(path.read_bytes())
    data[4096 + 100 : 8192] = b"\xff" * (4096 - 100)  # the first page after the schema's
    path.write_bytes(bytes(data))
    with pytest.raises(CaucaseError):
        read_database(path)
