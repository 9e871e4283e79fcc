"""Requests in the database: stored once, and those that wait are always counted right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.spki import KeyId
from caucase.store import Database, Transaction, requests
from caucase.store.requests import NewRequest, RequestId

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
