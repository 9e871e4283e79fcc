"""Revocation: by whom, of what, and which lists say so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority
from caucase.core import message
from caucase.core.x509 import (
    SERIAL_MAX,
    is_signed_by,
    load_crl,
    load_crls,
    next_update,
    not_after,
    this_update,
)
from caucase.errors import AlreadyRevoked, CertificateInvalid, Malformed, NotAuthenticated, NotFound

from .world import (
    ADDRESS,
    BOSS,
    PERIOD,
    World,
    at_once,
    ca_set,
    key_ids,
    lists,
    number,
    renew,
    revocation,
    serials,
)

LIST_LIFE = 0.33 * PERIOD
BACKDATE = timedelta(seconds=10)


def revoke(context, signed, by=None) -> None:
    context.revocations.revoke(signed, by=by, address=ADDRESS)


def revoke_serial(context, serial: object, by=BOSS) -> None:
    revoke(context, message.null({"revoke_serial": serial}), by)


@pytest.fixture
def two_cas(authority: Authority, world: World) -> list[x509.Certificate]:
    """The services' CAs, when there are two."""
    ca_set(authority.services, world.clock())
    world.clock.advance(days=190)
    return ca_set(authority.services, world.clock())


# By whom


def test_by_its_holder(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    revoke(authority.services, revocation(made, world.keys()))
    [crl] = lists(authority.services).values()
    assert serials(crl) == {made.serial_number}
    [event] = world.audit.of(AuditEvent.CERTIFICATE_REVOKED)
    assert event == {
        "context": "cas", "serial": f"{made.serial_number:x}", "user": "its holder", "address": ADDRESS,
    }  # fmt: skip


def test_by_a_user(authority: Authority, world: World) -> None:
    for context in (authority.users, authority.services):
        made = world.issue(context)
        revoke(context, revocation(made), BOSS)
        assert all(serials(crl) == {made.serial_number} for crl in lists(context).values())
    assert [event["user"] for event in world.audit.of(AuditEvent.CERTIFICATE_REVOKED)] == ["CN=boss"] * 2


def test_by_nobody(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    for signed in (revocation(made), message.null({"revoke_serial": made.serial_number}), message.null({})):
        with pytest.raises(NotAuthenticated):
            revoke(authority.services, signed)
    assert [serials(crl) for crl in lists(authority.services).values()] == [set()]


def test_with_another_key(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    for by in (None, BOSS):
        with pytest.raises(Malformed):
            revoke(authority.services, revocation(made, world.keys("ec:P-256", 1)), by)
    assert world.audit.of(AuditEvent.CERTIFICATE_REVOKED) == []


def test_signed_message_with_a_serial_is_no_way_round(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    signed = message.sign({"revoke_serial": made.serial_number}, world.keys())
    for by in (None, BOSS):
        with pytest.raises(Malformed):
            revoke(authority.services, signed, by)


# Of what


def test_expired_or_foreign(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    with pytest.raises(CertificateInvalid):
        revoke(authority.users, revocation(made), BOSS)
    world.clock.moment = not_after(made) + timedelta(seconds=1)
    with pytest.raises(CertificateInvalid, match="expired"):
        revoke(authority.services, revocation(made), BOSS)


@pytest.mark.parametrize(
    "fields", [{}, {"revoke_crt_pem": ""}, {"revoke_crt_pem": 1}, {"revoke_crt_pem": "\ud800"}]
)
def test_malformed(authority: Authority, fields: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        revoke(authority.services, message.null(fields), BOSS)


@pytest.mark.parametrize("serial", [0, -1, SERIAL_MAX + 1, 2**160, True, False, None, "1", 1.0, [1], {}])
def test_not_a_serial(authority: Authority, serial: object) -> None:
    with pytest.raises(Malformed, match="positive integer"):
        revoke_serial(authority.services, serial)


def test_twice(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    revoke(authority.services, revocation(made, world.keys()))
    for again in (
        revocation(made, world.keys()),
        revocation(made),
        message.null({"revoke_serial": made.serial_number}),
    ):
        with pytest.raises(AlreadyRevoked):
            revoke(authority.services, again, BOSS)
    for serial in (1, SERIAL_MAX):
        revoke_serial(authority.services, serial)
        with pytest.raises(AlreadyRevoked):
            revoke_serial(authority.services, serial)
        revoke_serial(authority.users, serial)
    assert len(world.audit.of(AuditEvent.CERTIFICATE_REVOKED, "cas")) == 3


def test_twice_at_once(authority: Authority, world: World) -> None:
    for index in range(4):
        made = world.issue(authority.services, f"x{index}")
        signed = revocation(made, world.keys())
        results = at_once(*[lambda: revoke(authority.services, signed)] * 2)
        assert results.count(None) == 1
        assert sum(isinstance(result, AlreadyRevoked) for result in results) == 1
        assert len(world.audit.of(AuditEvent.CERTIFICATE_REVOKED)) == index + 1


# On which list


def test_a_list_names_what_its_own_ca_issued(authority: Authority, world: World) -> None:
    old = world.issue(authority.services, "old")
    world.clock.advance(days=190)
    ca_set(authority.services, world.clock())
    world.clock.advance(days=94)
    new = world.issue(authority.services, "new")
    first, second = key_ids(ca_set(authority.services, world.clock()))
    revoke(authority.services, revocation(new, world.keys()))
    revoke_serial(authority.services, 12345)
    assert {key: serials(crl) for key, crl in lists(authority.services).items()} == {
        first: {12345},
        second: {12345, new.serial_number},
    }
    assert old.serial_number not in serials(lists(authority.services)[first])


def test_serial_of_a_known_issuer(authority: Authority, world: World, two_cas) -> None:
    made = world.issue(authority.services)  # still signed by the first
    revoke_serial(authority.services, made.serial_number)
    first, second = key_ids(two_cas)
    found = lists(authority.services)
    assert serials(found[first]) == {made.serial_number}
    assert serials(found[second]) == set()
    with pytest.raises(CertificateInvalid, match="revoked"):
        renew(authority.services, world.renewal(made, world.keys(), world.keys("ec:P-256", 1)))


def test_serial_of_a_renewed_certificate_is_known(authority: Authority, world: World, two_cas) -> None:
    old = world.issue(authority.services)
    made = renew(authority.services, world.renewal(old, world.keys(), world.keys("ec:P-256", 1)))
    revoke_serial(authority.services, made.serial_number)
    assert sorted(len(serials(crl)) for crl in lists(authority.services).values()) == [0, 1]


def test_serial_of_an_unknown_issuer_is_on_all_lists_of_its_context(authority: Authority, two_cas) -> None:
    revoke_serial(authority.services, SERIAL_MAX)
    assert [serials(crl) for crl in lists(authority.services).values()] == [{SERIAL_MAX}] * 2
    assert [serials(crl) for crl in lists(authority.users).values()] == [set()]


def test_entry_stays_for_one_list_life_after_the_certificate(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    revoke(authority.services, revocation(made, world.keys()))

    def listed() -> bool:
        authority.services.lists.refresh(world.clock(), at=0)
        authority.prune()
        return any(made.serial_number in serials(crl) for crl in lists(authority.services).values())

    for moment, expected in (
        (world.clock(), True),
        (not_after(made) + timedelta(days=1), True),
        (not_after(made) + LIST_LIFE - timedelta(seconds=1), True),
        (not_after(made) + LIST_LIFE + timedelta(seconds=1), False),
    ):
        world.clock.moment = moment
        assert listed() is expected, moment


def test_bare_serial_stays_until_after_the_last_ca(authority: Authority, world: World) -> None:
    end = not_after(ca_set(authority.services, world.clock())[-1])
    revoke_serial(authority.services, 7)
    for moment, expected in ((end + LIST_LIFE, True), (end + LIST_LIFE + timedelta(seconds=1), False)):
        world.clock.moment = moment.replace(microsecond=0)
        authority.maintain()
        authority.services.lists.refresh(world.clock(), at=0)
        assert any(7 in serials(crl) for crl in lists(authority.services).values()) is expected


# The lists themselves


def test_list(authority: Authority, world: World) -> None:
    [ca] = ca_set(authority.services, world.clock())
    [crl] = lists(authority.services).values()
    assert is_signed_by(crl, ca)
    assert this_update(crl) == world.clock() - BACKDATE
    assert next_update(crl) == this_update(crl) + LIST_LIFE
    assert serials(crl) == set()


def test_list_in_der_and_pem(authority: Authority, world: World, two_cas) -> None:
    both = authority.services.lists.newest().all
    parts = []
    for key_id in key_ids(two_cas):
        aki = int.from_bytes(key_id, "big")
        pem, der = (authority.services.lists.newest().document(aki, pem=pem) for pem in (True, False))
        assert load_crl(pem.body) == x509.load_der_x509_crl(der.body)
        assert pem.etag != der.etag
        assert pem.last_modified == der.last_modified == world.clock() - BACKDATE
        parts.append(pem.body)
    assert both.body == b"".join(parts)
    assert both.last_modified == world.clock() - BACKDATE


@pytest.mark.parametrize("aki", [0, 1, -1, 2**160, 2**2000])
def test_no_such_list(authority: Authority, aki: int) -> None:
    lists(authority.services)
    with pytest.raises(NotFound):
        authority.services.lists.newest().document(aki, pem=True)


def test_unchanged_list_is_the_same_document(authority: Authority, world: World) -> None:
    first = authority.services.lists.newest().all
    world.clock.advance(days=1)
    assert authority.services.lists.newest().all == first
    revoke_serial(authority.services, 1)
    assert authority.services.lists.newest().all.etag != first.etag


def test_lists_are_made_again_at_half_their_life(authority: Authority, world: World) -> None:
    start = world.clock() - BACKDATE
    [first] = lists(authority.services).values()
    world.clock.moment = start + LIST_LIFE / 2 - timedelta(seconds=1)
    assert list(lists(authority.services).values()) == [first]
    world.clock.moment = start + LIST_LIFE / 2
    [second] = lists(authority.services).values()
    assert number(second) == number(first) + 1
    assert this_update(second) == (world.clock() - BACKDATE).replace(microsecond=0)


def test_maintenance_is_ahead_of_demand(authority: Authority, world: World) -> None:
    authority.maintain()
    [first] = lists(authority.services).values()
    world.clock.advance(seconds=0.29 * LIST_LIFE.total_seconds())
    authority.maintain()
    assert list(lists(authority.services).values()) == [first]
    world.clock.advance(seconds=0.02 * LIST_LIFE.total_seconds())
    authority.maintain()
    [second] = lists(authority.services).values()
    assert number(second) == number(first) + 1


def test_clock_that_was_put_back(authority: Authority, world: World) -> None:
    lists(authority.services)
    world.clock.advance(days=-300)
    [crl] = lists(authority.services).values()
    assert this_update(crl) == world.clock() - BACKDATE


def test_numbers_only_grow(authority: Authority, world: World) -> None:
    """Through refreshes, revocations, roll-over and restarts; one number is never two different lists of a CA."""
    seen: dict[tuple[bytes, int], bytes] = {}
    last: dict[bytes, int] = {}
    highest = 0
    for step in range(60):
        world.clock.advance(days=9)
        if step % 3 == 0:
            revoke_serial(authority.services, step + 1)
        if step % 7 == 0:
            world.stop()
            authority = world.start()
        authority.maintain()
        for key, crl in lists(authority.services).items():
            assert seen.setdefault(
                (key, number(crl)), crl.fingerprint(crl.signature_hash_algorithm)
            ) == crl.fingerprint(crl.signature_hash_algorithm)
            assert number(crl) >= last.get(key, 0)
            last[key] = number(crl)
            highest = max(highest, number(crl))
        assert {number(crl) for crl in lists(authority.services).values()} == {highest}
    assert len(last) >= 3
    numbers = [event["number"] for event in world.audit.of(AuditEvent.CRL_PUBLISHED, "cas")]
    assert numbers == sorted(numbers)


def test_who_has_read_them_notices_what_another_process_does(authority: Authority, world: World) -> None:
    """What is kept of the newest lists is theirs: not after a revocation or a new list, with a clock put back, or once a CA
    has expired."""
    other = world.start()

    def seen() -> str | None:
        lists = authority.services.lists.current()
        return None if lists is None else lists.all.etag

    assert seen() is None
    first = other.services.lists.newest().all.etag
    assert seen() == seen() == first
    revoke_serial(other.services, 1)
    assert seen() is None
    second = other.services.lists.newest().all.etag
    assert seen() == second != first
    world.clock.advance(hours=-2)
    assert seen() is None
    world.clock.advance(hours=2)
    assert seen() == second
    world.clock.advance(days=200)
    assert seen() is None
    other.maintain()
    assert seen() == other.services.lists.newest().all.etag
    assert (
        len(load_crls(authority.services.lists.newest().all.body))
        == len(ca_set(other.services, world.clock()))
        == 2
    )
    world.clock.moment = not_after(ca_set(other.services, world.clock())[0]) - timedelta(hours=1)
    other.maintain()
    three = seen()
    assert three == other.services.lists.newest().all.etag
    world.clock.advance(hours=1, seconds=1)
    assert seen() not in (None, three), "a CA has expired, and nobody has written anything"


def test_they_are_remembered_also_while_a_successor_is_due(authority: Authority, world: World) -> None:
    """And nobody waits for it."""
    authority.services.lists.newest()
    due = authority.services.keyring.snapshot().at(world.clock()).roles.successor_due
    assert due is not None
    world.clock.moment = due - timedelta(days=1)
    authority.services.lists.refresh(world.clock())
    world.clock.moment = due + timedelta(days=1)
    seen = authority.services.lists.current()
    assert seen is not None
    assert authority.services.lists.current() is seen
    assert len(authority.services.keyring.snapshot().cas) == 1


def test_two_processes_publish_one_list(authority: Authority, world: World) -> None:
    other = world.start()
    lists(authority.services)
    for step in range(1, 6):
        revoke_serial(authority.services, step)
        results = at_once(*[both for each in (authority, other) for both in [each.services.lists.newest] * 2])
        assert len({lists.all.body for lists in results}) == 1
        assert serials(load_crl(results[0].all.body)) == set(range(1, step + 1))
    published = [event["number"] for event in world.audit.of(AuditEvent.CRL_PUBLISHED, "cas")]
    assert len(published) == len(set(published))


def test_revocations_at_once_are_all_on_the_list(authority: Authority) -> None:
    def work(serial: int):
        def run() -> bool:
            revoke_serial(authority.services, serial)
            return all(serial in serials(crl) for crl in lists(authority.services).values())

        return run

    assert at_once(*map(work, range(1, 13))) == [True] * 12


def test_what_another_process_revoked_counts_at_once(authority: Authority, world: World) -> None:
    made = world.issue(authority.services)
    lists(authority.services)
    revoke(world.start().services, revocation(made, world.keys()))
    assert made.serial_number in serials(*lists(authority.services).values())
