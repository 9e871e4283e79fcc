"""The record: each way of issuing and revoking makes exactly one entry, and none can be changed without its being seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority, ContextAuthority, Query, examine, heads, verify
from caucase.authority.authority import PRUNE_BATCH
from caucase.core import crl
from caucase.core.record import Entry, Kind
from caucase.core.spki import KeyId, key_id
from caucase.core.x509 import Serial, not_after, not_before, public_key, subject_key_id
from caucase.errors import AlreadyRevoked, NotFound
from caucase.store import Database, record
from tests.authority import world as worlds
from tests.authority.world import ADDRESS, BOSS, POLICY, SECOND, World, at_once, renew, revocation, three


def entries(world: World, context: str = "cas") -> list[tuple[Any, ...]]:
    """Kind, serial, address, actor, serial renewed from."""
    with sqlite3.connect(world.path) as connection:
        return connection.execute(
            "SELECT kind, serial, address, actor, renewed_from FROM record WHERE context = ? ORDER BY number",
            (context,),
        ).fetchall()


def serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def problems(world: World) -> list[str]:
    with Database(world.path) as database, database.read() as transaction:
        return [state.problem for state in verify(transaction) if state.problem]


# Each way


def test_signed_by_a_user(authority: Authority, world: World, clock) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("www.example")])
    request_id = authority.services.requests.submit(
        world.make_csr("www", extensions=[(names, False)]), address=ADDRESS
    )
    assert entries(world) == []
    clock.advance(hours=1)
    authority.services.requests.sign(request_id, by=BOSS, address="203.0.113.9")
    made = worlds.fetch(authority.services, request_id)
    assert entries(world) == [("signed", serial(made), ADDRESS, "CN=boss", None)]
    (found,) = authority.services.record.page(Query()).certificates
    assert found.entry == Entry(
        kind=Kind.SIGNED,
        at=int(clock().timestamp()),
        serial=Serial(made.serial_number),
        subject="CN=www",
        names='["DNS:www.example"]',
        key_id=key_id(public_key(made)),
        issuer=subject_key_id(worlds.ca_set(authority.services, clock())[0]),
        not_before=int(not_before(made).timestamp()),
        not_after=int(not_after(made).timestamp()),
        address=ADDRESS,
        actor="CN=boss",
    )
    with pytest.raises(NotFound):
        authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    assert len(entries(world)) == 1


def test_signed_with_a_template(authority: Authority, world: World) -> None:
    """What it is, and not what was asked for."""
    request_id = authority.services.requests.submit(world.make_csr("asked"), address=ADDRESS)
    authority.services.requests.sign(
        request_id, by=BOSS, address=ADDRESS, template_pem=world.make_csr("granted")
    )
    (found,) = authority.services.record.page(Query()).certificates
    assert found.entry.subject == "CN=granted"


def test_signed_automatically(world: World) -> None:
    authority = world.start(worlds.users(auto_approve_count=1))
    first, second = world.make_csr("first"), world.make_csr("second", key=world.keys(number=1))
    request_id = authority.users.requests.submit(first, address=ADDRESS)
    for csr in (second, first):
        authority.users.requests.submit(csr, address=ADDRESS)
    made = worlds.fetch(authority.users, request_id)
    assert entries(world, "cau") == [("automatic", serial(made), ADDRESS, None, None)]


def test_signed_on_the_server(authority: Authority, world: World) -> None:
    """A request that came over the network says from where."""
    csr, own = world.make_csr("waits", key=world.keys(number=1)), world.make_csr("own")
    authority.users.requests.submit(csr, address=ADDRESS)
    for _ in range(2):
        authority.users.requests.approve(csr, by=BOSS)
        authority.users.requests.approve(own, by=BOSS)
    assert [(kind, address) for kind, _, address, *_ in entries(world, "cau")] == [
        ("signed", ADDRESS), ("signed", "local"),
    ]  # fmt: skip


def test_renewed(authority: Authority, world: World) -> None:
    old = world.issue(authority.services, "x")
    message = world.renewal(old, world.keys(), world.keys(number=1))
    new = renew(authority.services, message)
    assert renew(authority.services, message) == new
    assert entries(world)[1:] == [("renewed", serial(new), ADDRESS, None, serial(old))]


def test_what_was_made_of_a_certificate_can_be_followed(authority: Authority, world: World) -> None:
    """From a stolen one to all that a thief may have made of it."""
    stolen = world.issue(authority.services, "x")
    world.issue(authority.services, "y")
    second = renew(authority.services, world.renewal(stolen, world.keys(), world.keys(number=1)))
    third = renew(authority.services, world.renewal(second, world.keys(number=1), world.keys(number=2)))
    fork = renew(authority.services, world.renewal(stolen, world.keys(), world.keys(number=3)))
    found = {stolen.serial_number}
    for one in authority.services.record.page(Query()).certificates:
        if one.entry.renewed_from in found:
            found.add(one.entry.serial)
    assert found == {one.serial_number for one in (stolen, second, third, fork)}


def test_revoked(authority: Authority, world: World) -> None:
    services = authority.services
    own, other, bare = (world.issue(services, name) for name in "abc")
    services.revocations.revoke(revocation(own, world.keys()), by=None, address=ADDRESS)
    services.revocations.revoke(revocation(other), by=BOSS, address="203.0.113.9")
    for number in (bare.serial_number, 77):
        message = worlds.message.null({"revoke_serial": number})
        services.revocations.revoke(message, by=BOSS, address=ADDRESS)
        with pytest.raises(AlreadyRevoked):
            services.revocations.revoke(message, by=BOSS, address=ADDRESS)
    assert entries(world)[3:] == [
        ("revoked", serial(own), ADDRESS, "its holder", None),
        ("revoked", serial(other), "203.0.113.9", "CN=boss", None),
        ("revoked", serial(bare), ADDRESS, "CN=boss", None),
        ("revoked", "4d", ADDRESS, "CN=boss", None),
    ]
    found = services.record.page(Query()).certificates
    assert [one.revocation and one.revocation.actor for one in found] == ["its holder", "CN=boss", "CN=boss"]


def test_revoked_by_an_imported_list(authority: Authority, world: World, clock) -> None:
    made = world.issue(authority.services, "x")
    (ca,) = authority.services.keyring.ensure(clock()).cas
    entries_of = b"".join(
        crl.revocation_entry(Serial(number), clock()) for number in (made.serial_number, 77)
    )
    der = crl.build_crl(
        authority.services.keyring.signer_of(ca), entries_of, number=5, this_update=clock(),
        next_update=clock() + timedelta(days=1),
    )  # fmt: skip
    for _ in range(2):
        authority.import_lists([x509.load_der_x509_crl(der)])
    assert [entry[:4] for entry in entries(world)[1:]] == [
        ("revoked", serial(made), None, "an imported list"),
        ("revoked", "4d", None, "an imported list"),
    ]


def test_the_losers_of_a_race_are_not_in_it(authority: Authority, world: World) -> None:
    services, other = authority.services, world.start().services
    request_id = services.requests.submit(world.make_csr(), address=ADDRESS)
    done = at_once(
        *(lambda: services.requests.sign(request_id, by=BOSS, address=ADDRESS) for _ in range(3)),
        *(lambda: other.requests.sign(request_id, by=BOSS, address=ADDRESS) for _ in range(3)),
    )
    assert sum(result is None for result in done) == 1
    made = worlds.fetch(services, request_id)
    message = world.renewal(made, world.keys(), world.keys(number=1))
    renewed = at_once(*(lambda side=side: renew(side, message) for side in (services, other) * 3))
    assert len(set(renewed)) == 1
    revoked = at_once(
        *(
            lambda side=side: side.revocations.revoke(revocation(made), by=BOSS, address=ADDRESS)
            for side in (services, other) * 3
        )
    )
    assert sum(result is None for result in revoked) == 1
    assert [kind for kind, *_ in entries(world)] == ["signed", "renewed", "revoked"]
    assert problems(world) == []


# The list


def listed(context: ContextAuthority, **query: Any) -> list[str]:
    """The subjects on all pages."""
    found, after = [], 0
    while True:
        page = context.record.page(Query(after=after, **query))
        found += [(one.entry.subject or "").removeprefix("CN=") for one in page.certificates]
        if page.next is None:
            return found
        assert page.next > after
        after = page.next


@pytest.fixture
def filled(authority: Authority, world: World, clock) -> ContextAuthority:
    return three(authority.services, world, clock)


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_pages(filled: ContextAuthority, limit: int) -> None:
    assert listed(filled, limit=limit) == ["alpha", "Beta", "gamma", "gamma"]


def test_conditions(filled: ContextAuthority, world: World, clock) -> None:
    def found(**query: Any) -> list[str]:
        return listed(filled, **query)

    assert found(text="bet") == found(text="BETA.EXAMPLE") == ["Beta"]
    assert found(text="a.example") == ["alpha", "Beta", "gamma", "gamma"]
    assert found(text="DNS:alpha") == ["alpha"]
    assert found(text="nobody") == found(text='"') == []
    assert found(approved_by="BOSS") == ["alpha", "Beta", "gamma"]
    assert found(approved_by="alice") == []
    assert found(revoked=True) == ["Beta"]
    assert found(revoked=False, text="a") == ["alpha", "gamma", "gamma"]
    assert found(key_id=key_id(world.keys(number=1).public_key())) == ["Beta"]
    (beta,) = filled.record.page(Query(text="beta")).certificates
    assert found(serial=beta.entry.serial) == ["Beta"]
    assert found(serial=beta.entry.serial, revoked=False) == []
    assert found(serial=Serial(1)) == []
    end = clock() + timedelta(days=93 - 3)
    assert found(expires_before=end - 10 * SECOND) == []
    assert found(expires_before=end - 9 * SECOND) == ["alpha"]


def test_a_long_search_is_several_short_ones(
    filled: ContextAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caucase.authority.record._SCAN", 2)
    page = filled.record.page(Query(text="gamma"))
    assert (page.certificates, page.next) == ((), 2)
    assert listed(filled, text="gamma") == ["gamma", "gamma"]
    # A serial needs no search.
    (gamma,) = filled.record.page(Query(text="gamma", after=2)).certificates[:1]
    assert filled.record.page(Query(serial=gamma.entry.serial)).certificates == (gamma,)


def test_a_page_is_not_too_large(filled: ContextAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.authority.record._PAGE_SIZE", 10)
    assert len(filled.record.page(Query()).certificates) == 1
    assert listed(filled) == ["alpha", "Beta", "gamma", "gamma"]


def test_what_is_issued_between_two_pages_is_on_a_later_one(filled: ContextAuthority, world: World) -> None:
    first = filled.record.page(Query(limit=3))
    world.issue(filled, "late")
    assert first.next == 4
    later = filled.record.page(Query(after=first.next, limit=1))
    assert [one.number for one in later.certificates] == [5]
    rest = filled.record.page(Query(after=5))
    assert ([one.entry.subject for one in rest.certificates], rest.next) == (["CN=late"], None)


def test_pages_while_others_write(authority: Authority, world: World) -> None:
    """Each entry is on one page, in order, and those of before the first page are all there."""
    entry = Entry(kind=Kind.SIGNED, at=1, serial=Serial(1), issuer=KeyId(b"i"), not_after=2)
    count = 60

    def write() -> None:
        with Database(world.path) as database:
            for number in range(count):
                one = replace(entry, serial=Serial(number + 1))
                database.write(lambda transaction, one=one: record.append(transaction, "cas", one))

    def read() -> list[int]:
        seen: list[int] = []
        while len(seen) < count:
            page = authority.services.record.page(Query(after=seen[-1] if seen else 0, limit=7))
            seen += [one.number for one in page.certificates]
        return seen

    _, first, second = at_once(write, read, read)
    assert first == second == list(range(1, count + 1))


def test_beyond_the_end(filled: ContextAuthority) -> None:
    page = filled.record.page(Query(after=2**63 - 1))
    assert (page.certificates, page.next) == ((), None)


def test_an_empty_record(authority: Authority) -> None:
    assert authority.users.record.page(Query()) == replace(
        authority.users.record.page(Query(after=5)), certificates=(), next=None
    )


def test_a_whole_record(authority: Authority, world: World, filled: ContextAuthority) -> None:
    with Database(world.path) as database, database.read() as transaction:
        cas, cau = verify(transaction)
        assert (cas.context, cas.entries, cas.first, cas.head.number, cas.problem) == ("CAS", 5, 1, 5, "")
        assert (cau.context, cau.entries, cau.first, cau.head.number, cau.problem) == ("CAU", 0, None, 0, "")
        assert heads(transaction)["cas"] == cas.head  # type: ignore[index]
    with Database(world.path) as database:
        assert examine(database).problems == ()


# How far it reaches


def test_it_is_told_when_it_has_grown(authority: Authority, world: World) -> None:
    authority.report_record()
    assert world.audit.of(AuditEvent.RECORD_HEAD) == []
    world.issue(authority.services, "x")
    for _ in range(2):
        authority.report_record()
    with Database(world.path) as database, database.read() as transaction:
        head = heads(transaction)["cas"]  # type: ignore[index]
    told = {"context": "cas", "number": 1, "hash": head.hash.hex()}
    assert world.audit.of(AuditEvent.RECORD_HEAD) == [told]
    world.start().report_record()
    assert len(world.audit.of(AuditEvent.RECORD_HEAD)) == 1
    world.issue(authority.users, "u")
    authority.report_record()
    assert len(world.audit.of(AuditEvent.RECORD_HEAD)) == 2


# How long it is kept


def test_it_is_kept_for_a_year_after_the_end(authority: Authority, world: World, clock) -> None:
    authority.maintain()
    made = world.issue(authority.services, "x")
    end = not_after(made)
    while clock() < end + timedelta(days=300):
        clock.advance(days=60)  # so that there always is a CA
        authority.maintain()
    clock.moment = end + timedelta(days=365)
    authority.prune()
    assert len(entries(world)) == 1
    clock.advance(seconds=1)
    authority.prune()
    assert entries(world) == []
    assert problems(world) == []
    world.issue(authority.services, "y")
    assert problems(world) == []


def test_it_is_kept_for_as_long_as_was_said(world: World, clock) -> None:
    """But for a month at least: the clock may be ahead for a while."""
    authority = world.start(replace(POLICY, record_retention=timedelta(days=1)))
    authority.maintain()
    end = not_after(world.issue(authority.services, "x"))
    for age, left in ((timedelta(days=31), 1), (timedelta(days=31, seconds=1), 0)):
        clock.moment = end + age
        authority.prune()
        assert len(entries(world)) == left


def expire(path: Path, count: int) -> None:
    """Many rows of each kind that are all over."""
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "INSERT INTO request (id, context, key_id, digest, csr, address, submitted_at, certificate, keep_until)"
            " VALUES (?, 'cas', x'01', ?, x'02', 'a', 1, x'03', 2)",
            ((number, f"{number}") for number in range(count)),
        )
        connection.executemany(
            "INSERT INTO renewal (digest, context, key_id, certificate, keep_until)"
            " VALUES (?, 'cas', x'01', x'02', 2)",
            ((f"{n}",) for n in range(count)),
        )
        connection.executemany(
            "INSERT INTO revocation VALUES ('cas', ?, x'01', 1, 2, x'00')",
            ((f"{n:x}",) for n in range(count)),
        )
    entry = Entry(kind=Kind.SIGNED, at=1, serial=Serial(1), issuer=KeyId(b"i"), not_after=2)
    with Database(path) as database:

        def fill(transaction: Any) -> None:
            for number in range(count):
                record.append(transaction, "cas", replace(entry, serial=Serial(number + 1)))

        database.write(fill)


def counts(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        tables = ("request", "renewal", "revocation", "record")
        return [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables]


def test_much_is_forgotten_in_small_steps(
    authority: Authority, world: World, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.maintain()
    clock.advance(days=94)  # until the clock is taken to be right
    expire(world.path, 2 * PRUNE_BATCH + 1)
    deleted: list[int] = []
    write = authority._database.write

    def counted(work: Callable[[Any], Any]) -> Any:
        def measured(transaction: sqlite3.Connection) -> Any:
            before = transaction.total_changes
            result = work(transaction)
            deleted.append(transaction.total_changes - before)
            return result

        return write(measured)

    pauses: list[float] = []
    monkeypatch.setattr(authority._database, "write", counted)
    monkeypatch.setattr("caucase.authority.authority.sleep", pauses.append)
    authority.prune(batches=1)
    assert counts(world.path) == [PRUNE_BATCH + 1] * 4
    authority.prune()
    assert counts(world.path) == [0] * 4
    assert max(deleted) <= PRUNE_BATCH + 1  # and the note how far the record was pruned
    assert len(pauses) == 4
    assert problems(world) == []
