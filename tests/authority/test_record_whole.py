"""Whether the record is whole: whatever somebody does to it is found."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caucase.authority import Authority, examine, record_size, verify
from caucase.core.record import Entry, Kind
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.store import Database, record
from tests.authority.world import World


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a record of which the beginning was forgotten."""
    path = tmp_path_factory.mktemp("record") / "caucase.sqlite"
    kinds = (Kind.SIGNED, Kind.RENEWED, Kind.REVOKED, Kind.AUTOMATIC)
    with Database(path) as database:
        for number in range(12):
            entry = Entry(
                kind=kinds[number % 4], at=number, serial=Serial(number + 1), subject=f"CN={number}", names="[]",
                key_id=KeyId(b"k"), issuer=KeyId(b"i"), not_before=1, not_after=number + 10, address="192.0.2.1",
                actor="CN=boss", renewed_from=Serial(9),
            )  # fmt: skip
            database.write(lambda transaction, entry=entry: record.append(transaction, "cas", entry))
        database.write(lambda transaction: record.prune(transaction, "cas", 12, 100))
        database.settle()
    return path


COLUMNS = (
    *("context", "number", "kind", "at", "serial", "subject", "names", "key_id", "issuer", "not_before"),
    *("not_after", "address", "actor", "renewed_from", "hash"),
)


def verdict(connection: sqlite3.Connection) -> str:
    found = [state.problem for state in verify(connection) if state.problem]
    return found[0] if found else ""


def tampered(path: Path) -> sqlite3.Connection:
    """A copy in memory, to do anything with."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with sqlite3.connect(path) as source:
        source.backup(copy)
    return copy


def test_it_is_whole_before(chained: Path) -> None:
    with tampered(chained) as connection:
        assert verdict(connection) == ""
        (state, _) = verify(connection)
        assert (state.first, state.entries, state.head.number) == (3, 10, 12)


def test_it_is_told_how_far_the_check_is(chained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.authority.record._NOTED", 2)
    told: list[int] = []
    with tampered(chained) as connection:
        verify(connection, note=told.append)
        assert sum(told) == record_size(connection) == 10
    assert told == [2] * 5


@given(
    number=st.integers(3, 12),
    column=st.sampled_from(COLUMNS),
    value=st.one_of(
        st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=40), st.binary(max_size=40), st.floats()
    ),
)
@settings(max_examples=300)
def test_any_column_of_any_entry_changed(chained: Path, number: int, column: str, value: object) -> None:
    with tampered(chained) as connection:
        before = connection.execute("SELECT * FROM record").fetchall()
        try:
            connection.execute(f"UPDATE record SET {column} = ? WHERE number = ?", (value, number))
        except (sqlite3.IntegrityError, UnicodeEncodeError):
            return  # not null, or another entry's place
        if connection.execute("SELECT * FROM record").fetchall() == before:
            return
        assert verdict(connection) != ""


@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_changed_a_little(chained: Path, column: str) -> None:
    """And it is said which entry it is."""
    with tampered(chained) as connection:
        connection.execute(
            f"UPDATE record SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 100"
            f" WHEN 'blob' THEN CAST({column} || 'x' AS BLOB) ELSE {column} || 'x' END WHERE number = 5"
        )
        assert "CAS is broken: entry 5 " in verdict(connection)


def test_text_that_is_none(chained: Path) -> None:
    with tampered(chained) as connection:
        connection.execute("UPDATE record SET subject = CAST(x'ff' AS TEXT) WHERE number = 5")
        assert "entry 5 cannot be read" in verdict(connection)


@given(st.sets(st.integers(3, 12), min_size=1))
@settings(max_examples=100)
def test_entries_removed(chained: Path, numbers: set[int]) -> None:
    with tampered(chained) as connection:
        connection.executemany("DELETE FROM record WHERE number = ?", [(number,) for number in numbers])
        assert verdict(connection) != ""


@given(st.permutations(range(3, 13)))
@settings(max_examples=100)
def test_entries_in_another_order(chained: Path, order: list[int]) -> None:
    with tampered(chained) as connection:
        connection.execute("UPDATE record SET number = -number")
        connection.executemany(
            "UPDATE record SET number = ? WHERE number = ?",
            [(new, -old) for new, old in zip(order, range(3, 13), strict=True)],
        )
        assert (verdict(connection) == "") == (order == list(range(3, 13)))


@pytest.mark.parametrize("number", [-1, 0, 2, 13, 14, 2**63 - 1])
@pytest.mark.parametrize("context", ["cas", "cau", "https", "x"])
def test_an_entry_added(chained: Path, number: int, context: str) -> None:
    with tampered(chained) as connection:
        values = connection.execute("SELECT * FROM record WHERE number = 12").fetchone()
        connection.execute(
            f"INSERT INTO record VALUES ({', '.join('?' * 15)})", (context, number, *values[2:])
        )
        assert verdict(connection) != ""


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM record_chain",
        "UPDATE record_chain SET number = 11",
        "UPDATE record_chain SET number = 13",
        "UPDATE record_chain SET hash = x'00'",
        "UPDATE record_chain SET pruned_number = 0",
        "UPDATE record_chain SET pruned_hash = zeroblob(32)",
        "UPDATE record_chain SET pruned_number = 3",
        "DELETE FROM record",
        "INSERT INTO record_chain VALUES ('x', 5, x'00', 0, x'00')",
        "UPDATE record_chain SET context = 'x'",
    ],
)
def test_where_it_begins_and_ends_changed(chained: Path, statement: str) -> None:
    with tampered(chained) as connection:
        connection.execute(statement)
        assert verdict(connection) != ""


def test_check_says_so(authority: Authority, world: World) -> None:
    world.issue(authority.services, "x")
    with sqlite3.connect(world.path) as connection:
        connection.execute("UPDATE record SET actor = 'CN=nobody'")
    with Database(world.path) as database:
        assert any("record of CAS is broken: entry 1" in text for text in examine(database).problems)
