"""The authority as a whole: who is who, CAs that follow each other, several processes, what is forgotten."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority, ContextName, ContextPolicy
from caucase.core import message, profile, trust
from caucase.core.netloc import NetLoc
from caucase.core.rollover import Phase
from caucase.core.x509 import (
    authority_key_id,
    check_validity,
    dump_der,
    is_signed_by,
    load_certificate,
    load_certificates,
    load_crls,
    not_after,
    not_before,
    public_key,
    subject_key_id,
)
from caucase.errors import CertificateInvalid, ConfigError, NotFound

from .world import (
    ADDRESS,
    BOSS,
    PERIOD,
    POLICY,
    SECOND,
    World,
    at_once,
    ca_set,
    fetch,
    key_ids,
    lists,
    renew,
    revocation,
    users,
)

# The netloc


def test_netloc_is_remembered(world: World) -> None:
    world.start()
    world.start()
    for text in ("ca.example.com:8010", "ca.example.com", "other.example.com:8009", "192.0.2.1:8009"):
        with pytest.raises(ConfigError, match=r"made for netloc ca\.example\.com:8009"):
            world.start(replace(POLICY, netloc=NetLoc.parse(text)))
    world.start()


@pytest.mark.parametrize(
    ("netloc", "url"),
    [
        ("ca.example.com", "http://ca.example.com/cas/crl/{}.der"),
        ("ca.example.com:8009", "http://ca.example.com:8009/cas/crl/{}.der"),
        ("[2001:db8::1]:8009", "http://[2001:db8::1]:8009/cas/crl/{}.der"),
    ],
)
def test_certificates_say_where_the_list_is(world: World, netloc: str, url: str) -> None:
    authority = world.start(replace(POLICY, netloc=NetLoc.parse(netloc)))
    made = world.issue(authority.services)
    [point] = made.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    aki = authority_key_id(made)
    assert aki is not None
    number = int.from_bytes(aki, "big")
    assert [name.value for name in point.full_name] == [url.format(number)]
    der = authority.services.lists.newest().document(number, pem=False)
    assert is_signed_by(x509.load_der_x509_crl(der.body), ca_set(authority.services, world.clock())[0])
    user = world.issue(authority.users)
    with pytest.raises(x509.ExtensionNotFound):
        user.extensions.get_extension_for_class(x509.CRLDistributionPoints)


# CAs


def test_nothing_is_made_before_it_is_needed(authority: Authority, world: World) -> None:
    assert world.audit.events == []
    assert authority.generation() == 0
    assert authority.services.keyring.snapshot().cas == ()
    assert authority.services.lists.current() is None
    assert world.audit.events == []


def test_first_ca(authority: Authority, world: World) -> None:
    for context, periods, title in (
        (authority.users, 4, "Caucase CAU"),
        (authority.services, 4, "Caucase CAS"),
    ):
        document = context.ca_certificate()
        ca = load_certificate(document.body)
        assert ca.subject.rfc4514_string() == f"CN={title} at ca.example.com:8009"
        assert not_before(ca) == world.clock() - timedelta(seconds=10) == document.last_modified
        assert not_after(ca) - not_before(ca) == periods * PERIOD
        assert context.ca_chain().body == b"[]"
        assert context.ca_certificates() == document.body
    assert authority.generation() == 2
    assert authority.user_cas_pem() == authority.users.ca_certificates()
    assert [event["context"] for event in world.audit.of(AuditEvent.CA_CREATED)] == ["cau", "cas"]


def test_contexts_have_their_own_periods(world: World) -> None:
    policy = replace(
        POLICY,
        users=ContextPolicy(validity=timedelta(days=10)),
        services=ContextPolicy(validity=timedelta(days=20)),
        threshold=timedelta(days=3),
    )
    authority = world.start(policy)
    authority.maintain()
    for context, days in ((authority.users, 10), (authority.services, 20)):
        [ca] = ca_set(context, world.clock())
        assert not_after(ca) - not_before(ca) == timedelta(days=4 * days)
        made = world.issue(context)
        assert not_after(made) - not_before(made) == timedelta(days=days)
    https = load_certificates(world.https_file.content or b"")[0]
    assert not_after(https) - not_before(https) == timedelta(days=20)


def test_longer_period_than_the_ca_allows(world: World) -> None:
    world.start(users(validity=timedelta(days=10))).maintain()
    world.start(users(validity=timedelta(days=13))).maintain()
    with pytest.raises(ConfigError, match="cannot sign"):
        world.start(users(validity=timedelta(days=14))).maintain()


@pytest.mark.parametrize("processes", [1, 2])
def test_racing_for_the_first_ca(world: World, processes: int) -> None:
    authorities = [world.start() for _ in range(processes)]
    works = [each.services.ca_certificate for each in authorities for _ in range(6 // processes)]
    results = at_once(*works)
    assert len({document.body for document in results}) == 1
    assert len(world.audit.of(AuditEvent.CA_CREATED, "cas")) == 1
    assert len(authorities[0].services.keyring.snapshot().cas) == 1


def test_racing_for_the_successor(world: World) -> None:
    authorities = [world.start() for _ in range(2)]
    [first] = ca_set(authorities[0].services, world.clock())
    for generation in range(2, 5):
        world.clock.advance(days=187)
        works = [each.services.ca_certificates for each in authorities for _ in range(3)]
        results = at_once(*works)
        assert len(set(results)) == 1
        assert len(world.audit.of(AuditEvent.CA_CREATED, "cas")) == generation
    assert subject_key_id(first) not in key_ids(load_certificates(results[0]))


def test_successor_is_made_when_two_periods_are_left(authority: Authority, world: World) -> None:
    [first] = ca_set(authority.services, world.clock())
    due = not_after(first) - 2 * PERIOD
    world.clock.moment = due - SECOND
    assert ca_set(authority.services, world.clock()) == [first]
    world.clock.moment = due
    old, new = ca_set(authority.services, world.clock())
    assert old == first
    assert new.subject == first.subject
    assert public_key(new) != public_key(first)
    # Passive for one period, to the second; then it signs.
    for moment, signer in (
        (not_before(new) + PERIOD, old),
        (not_before(new) + PERIOD + SECOND, new),
    ):
        world.clock.moment = moment
        assert is_signed_by(world.issue(authority.services, str(moment)), signer)


def test_no_certificate_outlives_its_ca(authority: Authority, world: World) -> None:
    [ca] = ca_set(authority.services, world.clock())
    world.clock.moment = not_after(ca) - timedelta(days=5)
    made = world.issue(authority.services)
    assert is_signed_by(made, ca)
    assert not_after(made) == not_after(ca)


def test_after_a_long_pause(authority: Authority, world: World) -> None:
    """All CAs have expired: everything starts again, with nobody vouching."""
    [first] = ca_set(authority.services, world.clock())
    world.clock.advance(days=1000)
    with pytest.raises(NotFound):
        authority.services.lists.newest().document(int.from_bytes(subject_key_id(first), "big"), pem=True)
    [second] = ca_set(authority.services, world.clock())
    assert second != first
    assert authority.services.ca_chain().body == b"[]"
    assert load_certificate(authority.services.ca_certificate().body) == second
    assert len(load_crls(authority.services.lists.newest().all.body)) == 1
    with pytest.raises(trust.Untrusted):
        trust.updated_trust([first], anchor=second, chain=[], now=world.clock())


def chain_of(document: bytes) -> list[message.SignedMessage]:
    return [message.from_json(value) for value in json.loads(document)]


@pytest.mark.parametrize("name", ["users", "services"])
def test_years(world: World, name: str) -> None:
    """Roll-over after roll-over: a holder that renews in time, and a client that looks in now and then, never fail."""
    authority = world.start()
    context = getattr(authority, name)
    key, other = world.keys("ec:P-256", 1), world.keys("ec:P-256", 2)
    held = world.issue(context, "holder", key)
    trusted: list[x509.Certificate] = []
    anchors, signers = [], []
    for step in range(60):
        now: datetime = world.clock.advance(days=20)
        if step % 5 == 0:  # nothing is known to the process only
            world.stop()
            authority = world.start()
            context = getattr(authority, name)
        authority.maintain()
        if step % 3 == 0:
            document = context.ca_certificate()
            trusted = trust.updated_trust(
                trusted,
                anchor=load_certificate(document.body),
                chain=chain_of(context.ca_chain().body),
                now=now,
            )
            assert trusted == load_certificates(context.ca_certificates())
        if not_after(held) - now < timedelta(days=31):
            held = renew(context, world.renewal(held, key, other))
            key, other = other, key
            signers.append(authority_key_id(held))
        # The holder's certificate verifies with what the client trusts, and is on no list.
        check_validity(held, now)
        [issuer] = [ca for ca in trusted if subject_key_id(ca) == authority_key_id(held)]
        assert is_signed_by(held, issuer)
        check_validity(issuer, now)
        assert not_after(held) <= not_after(issuer)
        assert held.serial_number not in {
            entry.serial_number for entry in lists(context)[subject_key_id(issuer)]
        }
        anchor = load_certificate(context.ca_certificate().body)
        anchors.append(subject_key_id(anchor))
        assert 1 <= len(context.keyring.snapshot().cas) <= 2 + 1
    assert len(set(anchors)) >= 4
    assert len(set(signers)) >= 4
    assert len(world.audit.of(AuditEvent.CA_CREATED, context.name)) >= 6


def test_threads_may_share_everything(world: World) -> None:
    """Certificates of the library are not quite thread-safe in all versions."""
    authority = world.start(replace(POLICY, services=ContextPolicy(auto_approve_count=999)))
    user = dump_der(world.issue(authority.users))
    csrs = [world.make_csr(str(index)) for index in range(48)]

    def work(part: list[bytes]) -> list[bool]:
        seen = []
        for csr in part:
            made = fetch(authority.services, authority.services.requests.submit(csr, address=ADDRESS))
            authority.authenticate(user, address=ADDRESS)
            authority.services.revocations.revoke(revocation(made), by=BOSS, address=ADDRESS)
            seen.append(
                made.serial_number
                in {e.serial_number for crl in lists(authority.services).values() for e in crl}
            )
        return seen

    results = at_once(*(lambda part=csrs[index::8]: work(part) for index in range(8)))
    assert results == [[True] * 6] * 8


# Several processes, restarts, and what is forgotten


def test_everything_is_in_the_database(world: World) -> None:
    authority = world.start(users(auto_approve_count=1))
    authority.maintain()
    request_id = authority.users.requests.submit(world.make_csr("alice"), address=ADDRESS)
    alice = fetch(authority.users, request_id)
    waiting = authority.services.requests.submit(world.make_csr(), address=ADDRESS)
    gone = world.issue(authority.services, "gone")
    authority.services.revocations.revoke(revocation(gone), by=BOSS, address=ADDRESS)
    before = (
        authority.services.ca_certificate(),
        authority.services.lists.newest().all,
        authority.users.ca_chain(),
        authority.generation(),
        authority.status(),
    )
    world.stop()
    authority = world.start(users(auto_approve_count=1))
    authority.maintain()
    assert before == (
        authority.services.ca_certificate(),
        authority.services.lists.newest().all,
        authority.users.ca_chain(),
        authority.generation(),
        authority.status(),
    )
    assert authority.authenticate(dump_der(alice), address=ADDRESS).subject == "CN=alice"
    assert fetch(authority.users, request_id) == alice
    assert [pending.id for pending in authority.services.requests.pending()] == [waiting]


def test_two_processes_see_the_same(world: World) -> None:
    one, two = world.start(), world.start()
    assert one.users.ca_certificates() == two.users.ca_certificates()
    request_id = one.services.requests.submit(world.make_csr(), address=ADDRESS)
    two.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    made = fetch(one.services, request_id)
    world.clock.advance(days=187)
    before = one.generation()
    assert len(load_certificates(two.services.ca_certificates())) == 2
    assert one.generation() > before
    assert one.services.ca_certificates() == two.services.ca_certificates()
    with pytest.raises(CertificateInvalid, match="expired"):
        renew(one.services, world.renewal(made, world.keys(), world.keys("ec:P-256", 1)))


def rows(world: World) -> dict[str, int]:
    connection = sqlite3.connect(world.path)
    tables = ["ca", "request", "renewal", "record", "revocation", "crl"]
    found = {table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}
    connection.close()
    return found


def test_prune(authority: Authority, world: World) -> None:
    """What is over is kept for a month more, except answers that can be asked for again."""
    authority.maintain()
    held = world.issue(authority.services, "held")
    renew(authority.services, world.renewal(held, world.keys(), world.keys("ec:P-256", 1)))
    gone = world.issue(authority.services, "gone")
    authority.services.revocations.revoke(revocation(gone), by=BOSS, address=ADDRESS)
    authority.services.requests.submit(world.make_csr("waits"), address=ADDRESS)
    world.issue(authority.users, "user")
    start = world.clock()
    authority.maintain()
    full = {"ca": 3, "request": 4, "renewal": 1, "record": 5, "revocation": 1, "crl": 2}
    steps = [
        (timedelta(), full),
        (timedelta(days=0.05), full),
        (timedelta(days=0.05, seconds=1), full := {**full, "request": 2}),
        (timedelta(days=1), full),
        (timedelta(days=1, seconds=1), full := {**full, "renewal": 0}),
        # 10 s were taken off at the beginning.
        (timedelta(days=93 + 31) - 10 * SECOND, full),
        (timedelta(days=93 + 31) - 9 * SECOND, full := {**full, "request": 1}),
        (timedelta(days=1.33 * 93 + 31) - 10 * SECOND, full),
        (timedelta(days=1.33 * 93 + 31) - 9 * SECOND, full := {**full, "revocation": 0}),
    ]
    for age, left in steps:
        world.clock.moment = start + age
        authority.prune()
        assert rows(world) == left, age
    # All CAs end, and nothing says that the clock is right.
    world.clock.moment = start + 4 * PERIOD + timedelta(days=1000)
    authority.prune()
    assert rows(world) == full
    ca_set(authority.services, world.clock())
    authority.prune()
    assert rows(world) == {**full, "ca": 4}
    generation = authority.generation()
    world.clock.advance(days=94)
    authority.prune()
    assert rows(world) == {**full, "ca": 3, "crl": 1, "record": 1}
    assert authority.generation() > generation


def test_status(authority: Authority, world: World) -> None:
    empty = authority.status()
    assert (empty.netloc, empty.now, empty.https_due) == ("ca.example.com:8009", world.clock(), None)
    assert [(context.cas, context.lists, context.successor_due) for context in empty.contexts] == [
        ((), (), None)
    ] * 3
    authority.maintain()
    authority.users.requests.submit(world.make_csr(), address=ADDRESS)
    world.clock.advance(days=187)
    authority.maintain()
    cau, cas, https = authority.status().contexts
    assert [context.name for context in (cau, cas, https)] == list(ContextName)
    assert (cau.pending, cas.pending, https.pending) == (1, 0, None)
    assert [ca.phase for ca in cas.cas] == [Phase.SIGNING, Phase.KNOWN]
    assert [ca.phase for ca in https.cas] == [Phase.SIGNING]
    assert cas.successor_due == cas.cas[1].not_after - 2 * PERIOD
    assert {row.issuer for row in cas.lists} == {ca.key_id for ca in cas.cas}
    assert {row.next_update - row.this_update for row in cas.lists} == {0.33 * PERIOD}
    assert https.lists == ()


def test_extensions_of_a_successor_are_those_of_its_predecessor(authority: Authority, world: World) -> None:
    authority.maintain()
    https = authority._keyrings[ContextName.HTTPS]
    world.clock.advance(days=38 * 93 + 1)
    first, second = (ca.certificate for ca in https.ensure(world.clock()).cas)
    constraints = [ca.extensions.get_extension_for_class(x509.NameConstraints) for ca in (first, second)]
    assert constraints[0] == constraints[1]
    assert profile.inherited_ca_extensions(first) == profile.inherited_ca_extensions(second)
