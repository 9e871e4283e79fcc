"""Requests in the database: stored once, and those that wait are always counted right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.spki import KeyId
from caucase.store import Database, Transaction, issued, requests
from caucase.store.issued import RenewalRow
from caucase.store.requests import NewRequest, RequestId
from caucase.store.schema import MIGRATIONS

CONTEXTS = ("cau", "cas")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "caucase.sqlite") as opened:
        yield opened


def new(number: int) -> NewRequest:
    csr = bytes([number])
    return NewRequest(
        key_id=KeyId(csr), digest=hashlib.sha256(csr).digest(), csr=csr, address="192.0.2.1", submitted_at=1
    )


def counted(transaction: Transaction, context: str) -> int:
    query = "SELECT COUNT(*) FROM request WHERE context = ? AND certificate IS NULL"
    return transaction.execute(query, (context,)).fetchone()[0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("submit", "sign", "reject", "expire")),
            st.sampled_from(CONTEXTS),
            st.integers(0, 4),
        ),
        max_size=30,
    )
)
def test_those_that_wait_are_counted(tmp_path_factory, steps: list[tuple[str, str, int]]) -> None:
    def run(transaction: Transaction) -> None:
        for what, context, number in steps:
            request_id = RequestId(number + 10 * CONTEXTS.index(context) + 1)
            match what:
                case "submit":
                    requests.insert(transaction, context, request_id, new(number))
                case "sign":
                    requests.set_certificate(transaction, context, request_id, b"crt", 5)
                case "reject":
                    requests.delete_pending(transaction, context, request_id)
                case "expire":
                    found = requests.expired(transaction, context, 6, 10)
                    requests.delete_expired(transaction, found, 6)
            for each in CONTEXTS:
                assert requests.count_pending(transaction, each) == counted(transaction, each)

    with Database(tmp_path_factory.mktemp("requests") / "caucase.sqlite") as database:
        database.write(run)


def test_an_expired_entry_gives_way_to_the_same_request(database: Database) -> None:
    def run(transaction: Transaction) -> list[bool]:
        first = requests.insert(transaction, "cas", RequestId(1), new(1))
        requests.set_certificate(transaction, "cas", RequestId(1), b"crt", 5)
        return [first, requests.insert(transaction, "cas", RequestId(2), new(1))]

    assert database.write(run) == [True, True]
    with database.read() as transaction:
        assert requests.select(transaction, "cas", RequestId(1), 9) is None
        assert requests.count_pending(transaction, "cas") == 1


def test_an_id_that_is_taken(database: Database) -> None:
    assert database.write(lambda transaction: requests.insert(transaction, "cas", RequestId(1), new(1)))
    assert not database.write(lambda transaction: requests.insert(transaction, "cau", RequestId(1), new(2)))
    with database.read() as transaction:
        assert [row.csr for row in requests.select_pending(transaction, "cas")] == [new(1).csr]
        assert requests.select_pending(transaction, "cau") == []


def test_what_an_older_release_kept_is_there_in_the_order_in_which_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before schema 6 the id was where a row was."""
    path = tmp_path / "caucase.sqlite"
    monkeypatch.setattr("caucase.store.db.MIGRATIONS", MIGRATIONS[:5])
    late, early, signed = (RequestId(number) for number in (5, 2**63 - 1, 77))
    renewal = RenewalRow(digest=b"d", key_id=KeyId(b"k"), certificate=b"renewed", keep_until=9)

    def fill(transaction: Transaction) -> None:
        for request_id, submitted_at in ((late, 3), (early, 1), (signed, 2)):
            requests.insert(
                transaction, "cas", request_id, replace(new(submitted_at), submitted_at=submitted_at)
            )
        requests.set_certificate(transaction, "cas", signed, b"certificate", 5)
        issued.insert_renewal(transaction, "cas", renewal)

    with Database(path) as database:
        database.write(fill)
    monkeypatch.undo()
    with Database(path) as database:
        with database.read() as transaction:
            assert [row.id for row in requests.select_pending(transaction, "cas")] == [early, late]
            numbers = transaction.execute("SELECT id FROM request ORDER BY number").fetchall()
            assert numbers == [(early,), (signed,), (late,)]
            row = requests.select(transaction, "cas", signed, 5)
            assert row is not None
            assert (row.certificate, row.csr) == (b"certificate", b"\x02")
            assert requests.count_pending(transaction, "cas") == 2
            assert requests.count_pending_of(transaction, "cas", "192.0.2.1") == 2
            assert issued.find_renewal(transaction, b"d", 9) == b"renewed"
            assert requests.expired(transaction, "cas", 6, 10) == [signed]
            assert issued.expired_renewals(transaction, "cas", 10, 10) == [b"d"]
        database.write(lambda transaction: requests.set_certificate(transaction, "cas", early, b"crt", 5))
        database.write(lambda transaction: requests.delete_pending(transaction, "cas", late))
        database.write(lambda transaction: requests.insert(transaction, "cas", RequestId(1), new(9)))
        with database.read() as transaction:
            assert requests.count_pending(transaction, "cas") == counted(transaction, "cas") == 1
