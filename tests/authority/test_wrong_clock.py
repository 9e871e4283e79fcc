"""Clocks that are wrong for a while: nothing valid is lost, nothing is made twice, and trust goes on."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority, ContextName
from caucase.core import message, trust
from caucase.core.x509 import (
    dump_der,
    is_signed_by,
    load_certificate,
    load_certificates,
    load_crls,
    not_after,
    not_before,
    subject_key_id,
    this_update,
)

from .world import ADDRESS, BOSS, PERIOD, SECOND, World, ca_set, lists, number, revocation, serials

DAY = timedelta(days=1)


def client(authority: Authority, world: World, trusted: list[x509.Certificate]) -> list[x509.Certificate]:
    """What a client trusts after it has asked."""
    services = authority.services
    chain = [message.from_json(value) for value in json.loads(services.ca_chain().body)]
    anchor = load_certificate(services.ca_certificate().body)
    return trust.updated_trust(trusted, anchor=anchor, chain=chain, now=world.clock())


def created(world: World) -> int:
    return len(world.audit.of(AuditEvent.CA_CREATED, "cas"))


@pytest.mark.parametrize("back", [timedelta(hours=3), 5 * DAY, 30 * DAY])
@pytest.mark.parametrize("late", [timedelta(), 20 * DAY])
def test_back_after_a_successor_was_made(
    authority: Authority, world: World, back: timedelta, late: timedelta
) -> None:
    [first] = ca_set(authority.services, world.clock())
    world.clock.moment = not_after(first) - 2 * PERIOD + late
    authority.maintain()
    assert created(world) == 2
    trusted = client(authority, world, [])
    world.clock.moment -= back
    authority.maintain()
    assert created(world) == 2
    assert is_signed_by(world.issue(authority.services), first)
    assert client(authority, world, trusted) == trusted
    world.clock.moment += back
    authority.maintain()
    assert created(world) == 2


def test_back_by_hours_after_the_successor_has_begun_to_sign(authority: Authority, world: World) -> None:
    [first] = ca_set(authority.services, world.clock())
    world.clock.moment = not_after(first) - 2 * PERIOD
    first, second = ca_set(authority.services, world.clock())
    world.clock.moment = not_before(second) + PERIOD + SECOND
    assert is_signed_by(world.issue(authority.services, "a"), second)
    world.clock.advance(hours=-3)
    assert is_signed_by(world.issue(authority.services, "b"), first)


def test_back_before_the_only_ca(authority: Authority, world: World) -> None:
    """There is no other: it signs."""
    [first] = ca_set(authority.services, world.clock())
    world.clock.advance(days=-3650)
    authority.maintain()
    assert created(world) == 1
    assert is_signed_by(world.issue(authority.services), first)


def test_a_first_ca_of_the_future_is_succeeded_in_time(authority: Authority, world: World) -> None:
    """Made when the clock was ahead by ten years: there is always one that signs, and clients can follow."""
    world.clock.advance(days=3650)
    ca_set(authority.services, world.clock())
    world.clock.advance(days=-3650)
    trusted = client(authority, world, [])
    for _ in range(60):
        world.clock.advance(days=93)
        authority.maintain()
        trusted = client(authority, world, trusted)
    assert created(world) == 11


@pytest.mark.parametrize("ahead", [10 * DAY, PERIOD, 1.9 * PERIOD, 2.1 * PERIOD, 3.9 * PERIOD])
def test_ahead_and_back(authority: Authority, world: World, ahead: timedelta) -> None:
    """All that was signed by the right clock stays good, all get full lives, and every client can follow."""
    authority.maintain()
    start = world.clock()
    [first] = ca_set(authority.services, start)
    one, two, three = client(authority, world, []), client(authority, world, []), list[x509.Certificate]()
    made = world.issue(authority.services, "made")
    world.clock.moment = start + ahead
    authority.maintain()
    two = client(authority, world, two)  # its clock is as wrong
    world.clock.moment = start
    authority.maintain()
    three = client(authority, world, three)
    assert first in ca_set(authority.services, world.clock())
    assert is_signed_by(world.issue(authority.services), first)
    assert made.serial_number not in serials(lists(authority.services)[subject_key_id(first)])
    for step in range(1, 50):
        now = world.clock.moment = start + step * PERIOD / 4
        authority.maintain()
        leaf = world.issue(authority.services, str(step))
        assert not_after(leaf) - not_before(leaf) >= PERIOD * 2 / 3
        one, two, three = (client(authority, world, known) for known in (one, two, three))
        for known in (one, two, three, client(authority, world, [])):
            [issuer] = [ca for ca in known if is_signed_by(leaf, ca)]
            assert not_before(issuer) <= now <= not_after(issuer)
    assert created(world) <= 1 + 50 / 8 + 1


def test_ten_years_ahead_for_a_moment_loses_nothing(authority: Authority, world: World) -> None:
    """All CAs seem to have ended; then they have not."""
    authority.maintain()
    start = world.clock()
    before = {
        context.name: ca_set(context, world.clock()) for context in (authority.users, authority.services)
    }
    user = world.issue(authority.users, "user")
    gone = world.issue(authority.services, "gone")
    authority.services.revocations.revoke(revocation(gone), by=BOSS, address=ADDRESS)
    trusted = client(authority, world, [])
    last = number(next(iter(lists(authority.services).values())))
    world.clock.moment = start + timedelta(days=3650)
    for _ in range(3):
        authority.maintain()
        world.clock.advance(days=1)
    assert created(world) == 2
    world.clock.moment = start + timedelta(hours=1)
    authority.maintain()
    for context in (authority.users, authority.services):
        [old] = before[context.name]
        assert old in ca_set(context, world.clock())
        assert load_certificate(context.ca_certificate().body) == old
    assert created(world) == 2
    found = lists(authority.services)[subject_key_id(before[ContextName.CAS][0])]
    assert serials(found) == {gone.serial_number}
    assert number(found) > last
    assert authority.authenticate(dump_der(user), address=ADDRESS).subject == "CN=user"
    # The CAs that clients know go on, past the time of those that were made by mistake.
    for step in range(140):
        world.clock.advance(days=31)
        authority.maintain()
        trusted = client(authority, world, trusted)
        leaf = world.issue(authority.services, str(step))
        for known in (trusted, client(authority, world, [])):
            [issuer] = [ca for ca in known if is_signed_by(leaf, ca)]
            assert not_before(issuer) <= world.clock() <= not_after(issuer)
        assert not_after(leaf) - not_before(leaf) >= PERIOD * 2 / 3
        if step % 10 == 0:
            late = trusted  # a client that looks in rarely
        elif step % 10 == 5:
            client(authority, world, late)
    assert world.clock() > start + timedelta(days=4300)


def test_lists_of_the_future_are_made_again(authority: Authority, world: World) -> None:
    authority.maintain()
    first = next(iter(lists(authority.services).values()))
    world.clock.advance(hours=-2)
    [second] = load_crls(authority.services.lists.newest().all.body)
    assert number(second) == number(first) + 1
    assert lists(authority.services)[subject_key_id(ca_set(authority.services, world.clock())[0])] == second


# The HTTPS certificate


def https_of(world: World) -> x509.Certificate:
    [certificate] = load_certificates(world.https_file.content or b"")
    return certificate


@pytest.mark.parametrize("left", [DAY, 31 * DAY, 92 * DAY, 93 * DAY])
def test_https_certificate_is_never_cut_short(authority: Authority, world: World, left: timedelta) -> None:
    """A server that was off while its HTTPS CA should have been succeeded."""
    authority.maintain()
    https = authority._keyrings[ContextName.HTTPS]
    world.clock.moment = https.snapshot().cas[0].lifetime.not_after - left
    authority.maintain()
    made = https_of(world)
    assert not_after(made) - not_before(made) == PERIOD
    events = len(world.audit.events)
    for _ in range(10):
        world.clock.advance(days=3)
        authority.maintain()
        assert https_of(world) == made
    assert not [
        event for event, _ in world.audit.events[events:] if event is AuditEvent.HTTPS_CERTIFICATE_ISSUED
    ]


def test_https_certificate_of_the_future_is_made_again(authority: Authority, world: World) -> None:
    authority.maintain()
    world.clock.advance(days=90)
    authority.maintain()
    future = https_of(world)
    world.clock.advance(days=-60)
    authority.maintain()
    made = https_of(world)
    assert made != future
    assert not_before(made) <= world.clock()
    authority.maintain()
    assert https_of(world) == made


def test_revocations_are_not_forgotten_by_a_clock_that_is_ahead(authority: Authority, world: World) -> None:
    gone = world.issue(authority.services, "gone")
    authority.services.revocations.revoke(revocation(gone), by=BOSS, address=ADDRESS)
    [issuer] = ca_set(authority.services, world.clock())
    last = not_after(gone) + 0.33 * PERIOD
    world.clock.moment = last + 30 * DAY
    authority.maintain()
    assert gone.serial_number not in serials(lists(authority.services)[subject_key_id(issuer)])
    world.clock.moment = last
    authority.maintain()
    assert gone.serial_number in serials(lists(authority.services)[subject_key_id(issuer)])


def test_one_pass_makes_all_lists_good_again(authority: Authority, world: World) -> None:
    """One CA's list is behind, another's has the newest number and is of the future: both need a new one."""
    [first] = ca_set(authority.services, world.clock())
    lists(authority.services)
    world.clock.moment = not_after(first) + timedelta(hours=1)
    assert len(lists(authority.services)) == 1
    world.clock.advance(hours=-2)
    published = lists(authority.services)
    assert len(published) == 2
    assert all(this_update(crl) <= world.clock() for crl in published.values())
    assert lists(authority.services) == published
