"""The database as lines and back: the same database, and nothing a stream says is executed or believed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caucase.errors import Malformed, StoreError
from caucase.store import Database, snapshot
from caucase.store.record import Position
from caucase.store.schema import MIGRATIONS

ROWS = {
    "setting": [("netloc", "ca.example:8009"), ("quote", "'; DROP TABLE ca; --")],
    "counter": [("cas", "crl_number", 7), ("cau", "big", 2**63 - 1), ("cau", "small", -(2**63))],
    "ca": [
        ("cas", b"\x02", 5, 9, b"newer", b"key", None),
        ("cas", b"\x01", 5, 9, b"older, yet second", b"key", '{"é": "\\u0000"}'),
    ],
    "request": [
        (1, 2**63 - 1, "cas", b"k", b"d1", bytes(range(256)), "192.0.2.1", 1, None, None, None, "192.0.2.1"),
        (2, 3, "cau", b"", b"d2", b"", "", 0, b"crt", 10, 11, ""),
    ],
    "renewal": [(1, b"digest", "cas", b"k", b"crt", 5)],
    "record": [
        (
            "cas",
            7,
            "signed",
            None,
            "ff",
            "CN=x",
            '["DNS:x"]',
            b"k",
            b"\x01",
            None,
            99,
            None,
            "CN=boss",
            None,
            b"h",
        ),
    ],
    "record_chain": [("cas", 7, b"h", 6, b"g")],
    "revocation": [("cas", "ff", b"\x01", 1, 2, b"entry"), ("cas", "aa", b"", 1, 2, b"entry")],
    "crl": [("cas", b"\x01", 1, 2, 3, 3, 7, None)],
    "crl_part": [(7, 0, 1, b"der")],
    "pending": [],  # counted by the database itself
}
TAKEN_AT = 1_900_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "caucase.sqlite") as opened:
        fill(opened)
        yield opened


@pytest.fixture
def lines(database: Database) -> list[bytes]:
    with database.read() as transaction:
        return list(snapshot.dump(transaction, taken_at=TAKEN_AT))


def fill(database: Database) -> None:
    def work(transaction) -> None:
        for table, rows in ROWS.items():
            for row in rows:
                transaction.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    database.write(work)


def content(database: Database) -> dict[str, list[tuple]]:
    with database.read() as transaction:
        return {table: transaction.execute(f"SELECT * FROM {table}").fetchall() for table in ROWS}


def load(tmp_path: Path, chunks: list[bytes]) -> snapshot.SnapshotHead:
    path = tmp_path / "restored.sqlite"
    path.unlink(missing_ok=True)
    return snapshot.load(iter(chunks), path)


def test_every_row_comes_back_and_lists_are_made_again(
    database: Database, lines: list[bytes], tmp_path: Path
) -> None:
    head = load(tmp_path, lines)
    assert head == snapshot.SnapshotHead(
        schema=len(MIGRATIONS), taken_at=TAKEN_AT, record={"cas": Position(number=7, hash=b"h")}
    )
    path = tmp_path / "restored.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.with_name(path.name + "-wal").exists()
    with Database(path, create=False) as restored:
        assert content(restored) == {**content(database), "crl": [], "crl_part": []}
        with restored.read() as transaction:
            assert transaction.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert transaction.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_every_table_is_in_it(database: Database, lines: list[bytes]) -> None:
    """So that a new table is not forgotten in the test above."""
    with database.read() as transaction:
        tables = {
            name for (name,) in transaction.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert set(ROWS) == tables
    named = {json.loads(line)["table"] for line in lines if line.startswith(b'{"table"')}
    assert named == tables - {"crl", "crl_part", "pending"}


def test_it_says_what_it_is(lines: list[bytes]) -> None:
    assert lines[0].startswith(snapshot.MARK)
    assert json.loads(lines[0]) == {
        "caucase_snapshot": 1, "schema": len(MIGRATIONS), "taken_at": TAKEN_AT,
        "record": {"cas": {"number": 7, "hash": "68"}},
    }  # fmt: skip
    assert all(line.endswith(b"\n") and line.isascii() for line in lines)
    assert json.loads(lines[-1])["end"]["request"] == 2


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_however_it_is_cut_into_chunks(size: int, lines: list[bytes], tmp_path: Path) -> None:
    whole = b"".join(lines)
    load(tmp_path, [whole[start : start + size] for start in range(0, len(whole), size)])


def test_a_later_release_reads_it(
    lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = (*MIGRATIONS, "ALTER TABLE setting ADD COLUMN why TEXT NOT NULL DEFAULT 'old';\n")
    for module in ("db", "snapshot"):
        monkeypatch.setattr(f"caucase.store.{module}.MIGRATIONS", later)
    load(tmp_path, lines)
    with Database(tmp_path / "restored.sqlite") as restored, restored.read() as transaction:
        assert transaction.execute("SELECT DISTINCT why FROM setting").fetchall() == [("old",)]
        assert transaction.execute("PRAGMA user_version").fetchone() == (len(later),)


def test_one_of_a_newer_release_is_refused(lines: list[bytes], tmp_path: Path) -> None:
    head = {"caucase_snapshot": 1, "schema": len(MIGRATIONS) + 1, "taken_at": 1}
    for newer in (head, {**head, "schema": 1, "caucase_snapshot": 2}):
        with pytest.raises(StoreError, match="newer release"):
            load(tmp_path, [json.dumps(newer).encode() + b"\n", *lines[1:]])


def test_cut_off_after_any_line(lines: list[bytes], tmp_path: Path) -> None:
    for count in range(len(lines)):
        with pytest.raises(Malformed):
            load(tmp_path, lines[:count])
    with pytest.raises(Malformed):
        load(tmp_path, [*lines[:-1], lines[-1][:-1]])


def test_a_line_left_out_or_repeated(lines: list[bytes], tmp_path: Path) -> None:
    for index in range(len(lines)):
        for changed in (lines[:index] + lines[index + 1 :], [*lines[: index + 1], *lines[index:]]):
            with pytest.raises(Malformed):
                load(tmp_path, changed)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"CREATE TABLE a (b);\n", b"[]\n", b"[1, 2, 3]\n", b'["a"]\n', b"[" * 100_000 + b"\n",
        b'["a", 1.5]\n', b'["a", true]\n', b'["a", NaN]\n', b'["a", {"base64": "!"}]\n', b'["a", {"base64": 1}]\n',
        b'["a", {"hex": "00"}]\n', b'["a", 9223372036854775808]\n', b'["a", "\\ud800"]\n', b'["netloc", "twice"]\n',
        b'["a", null]\n', b'["a", 1]\n', b'["a", {"base64": "AA=="}]\n', b"[1e999, 1]\n", b'["a", ["b"]]\n', b"\xff\xfe\n", b'{"table": 1, "columns": []}\n',
        b'{"table": "sqlite_master", "columns": ["type", "name", "tbl_name", "rootpage", "sql"]}\n',
        b'{"table": "crl", "columns": []}\n', b'{"table": "x; DROP TABLE ca", "columns": ["a"]}\n',
        b'{"table": "renewal", "columns": ["name", "value"]}\n', b'{"table": "setting", "columns": ["name", "value"]}\n',
        b'{"table": null, "columns": null}\n', b'{"columns": null}\n', b'{"end": {}}\n', b"{}\n",
        b'["a", "' + b"x" * snapshot.LINE_LIMIT + b'"]\n',
    ],
    ids=lambda line: repr(line[:60]),
)  # fmt: skip
def test_a_hostile_line(line: bytes, lines: list[bytes], tmp_path: Path) -> None:
    place = next(i for i, one in enumerate(lines) if one.startswith(b'{"table": "setting"')) + 1
    if not line:
        load(tmp_path, lines)
        return
    with pytest.raises(Malformed):
        load(tmp_path, [*lines[:place], line, *lines[place:]])


@pytest.mark.parametrize("table", ["record", "revocation"])
@pytest.mark.parametrize("serial", ["", "0", "0a", "A", "+a", "1_0", " a", "x", "f" * 40, "1" * 41, "a\0"])
def test_a_text_that_is_no_serial(serial: str, table: str, lines: list[bytes], tmp_path: Path) -> None:
    """Readers of the database take what is there for granted."""
    with pytest.raises(Malformed, match="is not what a backup of this program holds"):
        load(tmp_path, with_value(lines, table, "serial", serial))


@pytest.mark.parametrize("value", ["", "Signed", "other"])
def test_a_kind_that_is_none(value: str, lines: list[bytes], tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="is not what a backup of this program holds"):
        load(tmp_path, with_value(lines, "record", "kind", value))


def with_value(lines: list[bytes], table: str, column: str, value: str) -> list[bytes]:
    """With another value in the first row of a table."""
    place = next(i for i, one in enumerate(lines) if one.startswith(b'{"table": "%s"' % table.encode()))
    row = json.loads(lines[place + 1])
    row[json.loads(lines[place])["columns"].index(column)] = value
    return [*lines[: place + 1], json.dumps(row).encode() + b"\n", *lines[place + 2 :]]


@pytest.mark.parametrize("head", [b"", b"\n", b"{}\n", snapshot.MARK, snapshot.MARK + b'1, "schema": true}\n',
    snapshot.MARK + b'1, "schema": 0, "taken_at": 1}\n', snapshot.MARK + b'1, "schema": 1, "taken_at": "x"}\n',
    snapshot.MARK + b'1, "schema": -1, "taken_at": 1}\n', snapshot.MARK + b"1, 2}\n", b"BEGIN TRANSACTION;\0"])  # fmt: skip
def test_a_hostile_head(head: bytes, lines: list[bytes], tmp_path: Path) -> None:
    with pytest.raises((Malformed, StoreError)):
        load(tmp_path, [head, *lines[1:]])
    assert not (tmp_path / "restored.sqlite").exists()


@given(junk=st.lists(st.binary(max_size=50) | st.just(b'["a", "b"]'), max_size=4), place=st.integers(0, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_any_bytes_between(junk: list[bytes], place: int, lines: list[bytes], tmp_path: Path) -> None:
    changed = [*lines[:place], *junk, *lines[place:]]
    if not b"".join(junk).strip(b" \t\r\n"):
        return  # white space between values is JSON (RFC 8259 section 2)
    with pytest.raises((Malformed, StoreError)):
        load(tmp_path, changed)


def test_nothing_is_replaced(lines: list[bytes], tmp_path: Path) -> None:
    """Whoever calls it sees to it that there is nothing; should there be something, it is not overwritten."""
    path = tmp_path / "restored.sqlite"
    snapshot.load(iter(lines), path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        snapshot.load(iter(lines), path)
    assert path.read_bytes() == before


def test_a_row_that_no_reader_would_take_is_told(database: Database) -> None:
    database.write(
        lambda transaction: transaction.execute(
            "INSERT INTO setting VALUES ('large', ?)", ("x" * snapshot.LINE_LIMIT,)
        )
    )
    with database.read() as transaction, pytest.raises(StoreError, match="too large"):
        list(snapshot.dump(transaction, taken_at=1))


def test_what_is_written_meanwhile_is_not_in_it(database: Database, tmp_path: Path) -> None:
    with database.read() as transaction:
        stream = snapshot.dump(transaction, taken_at=TAKEN_AT)
        got = [next(stream)]
        for number in range(50):
            database.write(
                lambda other, number=number: other.execute(
                    "INSERT INTO revocation VALUES ('cau', ?, x'', 1, 1, x'')", (f"{number:x}",)
                )
            )
            got.extend(line for line in [next(stream, None)] if line is not None)
        got.extend(stream)
    load(tmp_path, got)
    with Database(tmp_path / "restored.sqlite") as restored, restored.read() as transaction:
        assert transaction.execute("SELECT COUNT(*) FROM revocation").fetchone() == (2,)


def test_mask_does_not_matter(lines: list[bytes], tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load(tmp_path, lines)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "restored.sqlite").stat().st_mode) == 0o600
