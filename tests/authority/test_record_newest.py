"""The record from its end: the newest first, everything that happened, what is like a request, what was made of what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from caucase.authority import Authority, ContextAuthority, Query
from caucase.core.record import Entry, Kind
from caucase.core.spki import KeyId, key_id
from caucase.core.x509 import Serial
from caucase.store import Database, record
from tests.authority.world import SECOND, World, three


@pytest.fixture
def filled(authority: Authority, world: World, clock) -> ContextAuthority:
    """All of them have a name in common."""
    return three(authority.services, world, clock, also=("all.example",))


def listed(context: ContextAuthority, **query: Any) -> list[str]:
    """The subjects on all pages, the newest first."""
    found, after = [], 0
    while True:
        page = context.record.page(Query(after=after, newest_first=True, **query))
        found += [(one.entry.subject or "").removeprefix("CN=") for one in page.certificates]
        if page.next is None:
            return found
        assert not after or page.next < after
        after = page.next


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
@pytest.mark.parametrize("scan", [1, 2, 1000])
def test_pages(filled: ContextAuthority, limit: int, scan: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.authority.record._SCAN", scan)
    assert listed(filled, limit=limit) == ["gamma", "gamma", "Beta", "alpha"]
    assert listed(filled, limit=limit, text="beta") == ["Beta"]
    assert listed(filled, limit=limit, revoked=False) == ["gamma", "gamma", "alpha"]


def test_what_is_issued_between_two_pages_is_on_neither(filled: ContextAuthority, world: World) -> None:
    first = filled.record.page(Query(limit=2, newest_first=True))
    world.issue(filled, "late")
    rest = filled.record.page(Query(after=first.next or 0, newest_first=True))
    assert [one.entry.subject for one in rest.certificates] == ["CN=Beta", "CN=alpha"]


def test_beyond_either_end(filled: ContextAuthority, authority: Authority) -> None:
    for after in (1, 2**63 - 1):
        page = filled.record.page(Query(after=after, newest_first=True))
        assert page.next is None
        assert len(page.certificates) == (0 if after == 1 else 4)
    assert authority.users.record.page(Query(newest_first=True)).certificates == ()
    assert authority.users.record.entries(limit=5).entries == ()


def test_ends_after(filled: ContextAuthority, clock) -> None:
    end = clock() + timedelta(days=93 - 3) - 10 * SECOND  # of alpha
    assert listed(filled, expires_after=end) == ["gamma", "gamma", "Beta", "alpha"]
    assert listed(filled, expires_after=end + SECOND) == ["gamma", "gamma", "Beta"]
    assert listed(filled, expires_after=end + SECOND, expires_before=end + timedelta(days=2)) == ["Beta"]


@pytest.mark.parametrize("limit", [1, 2, 1000])
@pytest.mark.parametrize("scan", [1, 1000])
def test_everything_that_happened(
    filled: ContextAuthority, limit: int, scan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation tells whose it is."""
    monkeypatch.setattr("caucase.authority.record._SCAN", scan)

    def entries(actor: str = "") -> list[tuple[int, str, str | None]]:
        found, after = [], 0
        while True:
            page = filled.record.entries(limit=limit, after=after, actor=actor)
            found += [(one.number, one.entry.kind.value, one.subject) for one in page.entries]
            if page.next is None:
                return found
            after = page.next

    assert entries() == [
        (5, "renewed", "CN=gamma"),
        (4, "signed", "CN=gamma"),
        (3, "revoked", "CN=Beta"),
        (2, "signed", "CN=Beta"),
        (1, "signed", "CN=alpha"),
    ]
    assert [number for number, *_ in entries("ITS HOLDER")] == [3]
    assert [number for number, *_ in entries("boss")] == [4, 2, 1]


def test_a_serial_that_nobody_knows(filled: ContextAuthority, world: World) -> None:
    entry = Entry(kind=Kind.REVOKED, at=None, serial=Serial(7), issuer=KeyId(b""), not_after=9)
    with Database(world.path) as database:
        database.write(lambda transaction: record.append(transaction, "cas", entry))
    newest = filled.record.entries(limit=1).entries[0]
    assert (newest.entry, newest.subject) == (entry, None)


def test_a_page_is_not_too_large(filled: ContextAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.authority.record._PAGE_SIZE", 10)
    page = filled.record.entries(limit=1000)
    assert (len(page.entries), page.next) == (1, 5)


def test_similar(filled: ContextAuthority, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def similar(
        number: int = 9,
        subject: str = "CN=other",
        names: tuple[str, ...] = ("DNS:other.example",),
        limit: int = 9,
    ) -> list[str | None]:
        found = filled.record.similar(
            key_id=key_id(world.keys(number=number).public_key()), subject=subject, names=names, limit=limit
        )
        return [one.entry.subject for one in found]

    assert similar() == similar(subject="", names=()) == []
    assert (
        similar(number=1) == similar(subject="CN=Beta") == similar(names=("DNS:beta.example",)) == ["CN=Beta"]
    )
    assert similar(names=("DNS:all.example",)) == ["CN=gamma", "CN=gamma", "CN=Beta", "CN=alpha"]
    assert similar(names=("DNS:all.example",), limit=2) == ["CN=gamma", "CN=gamma"]
    (beta,) = filled.record.similar(key_id=KeyId(b"x"), subject="CN=Beta", names=(), limit=1)
    assert beta.revocation is not None
    monkeypatch.setattr("caucase.authority.record._SCAN", 2)
    assert similar(subject="CN=Beta") == []


def test_what_was_made_of_it(filled: ContextAuthority) -> None:
    renewed, gamma, *_ = filled.record.page(Query(newest_first=True)).certificates
    assert filled.record.renewals_of(gamma, limit=5) == (renewed,)
    assert filled.record.renewals_of(renewed, limit=5) == ()
