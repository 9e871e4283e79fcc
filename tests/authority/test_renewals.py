"""Renewals: who gets a new certificate, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority
from caucase.core import message
from caucase.core.profile import is_auto_signed
from caucase.core.spki import key_id
from caucase.core.x509 import authority_key_id, dump_pem, not_after, public_key
from caucase.errors import CertificateInvalid, DuplicateKey, Malformed, NotAcceptable

from .world import ADDRESS, BOSS, PERIOD, World, at_once, fetch, renew, revocation, services, users

CONTEXTS = ["users", "services"]


@pytest.fixture
def old_key(world: World):
    return world.keys("ec:P-256", 0)


@pytest.fixture
def new_key(world: World):
    return world.keys("ec:P-256", 1)


@pytest.mark.parametrize("name", CONTEXTS)
def test_renewal(authority: Authority, world: World, old_key, new_key, name: str) -> None:
    context = getattr(authority, name)
    names = x509.SubjectAlternativeName([x509.DNSName("www.example")])
    old = world.issue(context, "subject", old_key, extensions=[(names, True)])
    world.clock.advance(days=60)
    new = renew(context, world.renewal(old, old_key, new_key))
    assert new.subject == old.subject
    assert list(new.extensions)[3:] == list(old.extensions)[3:]
    assert new.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert key_id(public_key(new)) == key_id(new_key.public_key())
    assert new.serial_number != old.serial_number
    assert not_after(new) == world.clock() + PERIOD - timedelta(seconds=10)
    [event] = world.audit.of(AuditEvent.CERTIFICATE_RENEWED)
    assert (event["serial"], event["renewed_from"]) == (f"{new.serial_number:x}", f"{old.serial_number:x}")
    assert (event["context"], event["address"]) == (context.name, ADDRESS)
    # The old one stays valid, and the new one renews in its turn.
    third = renew(context, world.renewal(new, new_key, world.keys("ec:P-256", 2)))
    assert third.subject == old.subject


@pytest.mark.parametrize(
    "kinds", [("rsa:2048", "ec:P-384"), ("ec:P-521", "ed25519"), ("ed25519", "rsa:2048")]
)
def test_renewal_to_another_kind_of_key(authority: Authority, world: World, kinds: tuple[str, str]) -> None:
    old_key, new_key = map(world.keys, kinds)
    old = world.issue(authority.services, key=old_key)
    new = renew(authority.services, world.renewal(old, old_key, new_key))
    assert key_id(public_key(new)) == key_id(new_key.public_key())


@pytest.mark.parametrize("count", [0, 1])
def test_mark_of_automatic_signing_survives(world: World, old_key, new_key, count: int) -> None:
    authority = world.start(services(auto_approve_count=count, max_pending=1))
    request_id = authority.services.requests.submit(world.make_csr(key=old_key), address=ADDRESS)
    if not count:
        authority.services.requests.approve(authority.services.requests.request(request_id), by=BOSS)
    old = fetch(authority.services, request_id)
    assert is_auto_signed(old) is bool(count)
    assert is_auto_signed(renew(authority.services, world.renewal(old, old_key, new_key))) is bool(count)


def test_renewal_needs_no_place_in_the_queue_and_counts_as_no_submission(
    world: World, old_key, new_key
) -> None:
    authority = world.start(services(max_pending=1, auto_approve_count=2))
    request_id = authority.services.requests.submit(world.make_csr(key=old_key), address=ADDRESS)
    old = fetch(authority.services, request_id)
    renew(authority.services, world.renewal(old, old_key, new_key))
    second = authority.services.requests.submit(world.make_csr("b"), address=ADDRESS)
    assert is_auto_signed(fetch(authority.services, second))
    authority.services.requests.submit(world.make_csr("waits"), address=ADDRESS)
    renew(authority.services, world.renewal(old, old_key, world.keys("ec:P-256", 2)))
    assert len(authority.services.requests.pending()) == 1


@pytest.mark.parametrize("name", CONTEXTS)
def test_repeated_renewal_is_answered_again(
    authority: Authority, world: World, old_key, new_key, name: str
) -> None:
    context = getattr(authority, name)
    old = world.issue(context, key=old_key)
    signed = world.renewal(old, old_key, new_key)
    first = renew(context, signed)
    world.clock.advance(hours=23)
    assert renew(context, signed) == first
    resigned = message.sign(signed.fields, old_key)
    assert resigned.signature != signed.signature
    assert renew(context, resigned) == first
    assert len(world.audit.of(AuditEvent.CERTIFICATE_RENEWED)) == 1
    world.stop()
    assert renew(getattr(world.start(), name), signed) == first


def test_answers_are_kept_for_a_day(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.services, key=old_key)
    signed = world.renewal(old, old_key, new_key)
    first = renew(authority.services, signed)
    world.clock.advance(days=1)
    assert renew(authority.services, signed) == first
    world.clock.advance(seconds=1)
    assert renew(authority.services, signed) != first


def test_same_renewal_at_once(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.services, key=old_key)
    signed = world.renewal(old, old_key, new_key)
    results = at_once(*[lambda: renew(authority.services, signed)] * 6)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert len({result.serial_number for result in results}) == 1
    assert len(world.audit.of(AuditEvent.CERTIFICATE_RENEWED)) == 1


# Refused


def test_signed_with_another_key(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.services, key=old_key)
    with pytest.raises(Malformed):
        renew(authority.services, world.renewal(old, new_key, new_key))
    with pytest.raises(Malformed, match="not signed"):
        renew(authority.services, message.null(world.renewal(old, old_key, new_key).fields))
    assert world.audit.of(AuditEvent.CERTIFICATE_RENEWED) == []


def test_expired(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.services, key=old_key)
    signed = world.renewal(old, old_key, new_key)
    world.clock.moment = not_after(old)
    renew(authority.services, signed)
    world.clock.advance(seconds=1)
    with pytest.raises(CertificateInvalid, match="expired"):
        renew(authority.services, signed)


def test_not_yet_valid(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.services, key=old_key)
    world.clock.advance(days=-1)
    with pytest.raises(CertificateInvalid, match="not valid before"):
        renew(authority.services, world.renewal(old, old_key, new_key))


def test_revoked(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.services, key=old_key)
    signed = world.renewal(old, old_key, new_key)
    renew(authority.services, signed)
    authority.services.revocations.revoke(revocation(old, old_key), by=None, address=ADDRESS)
    for message_ in (
        signed,
        world.renewal(old, old_key, world.keys("ec:P-256", 2)),
    ):  # also one that was answered
        with pytest.raises(CertificateInvalid, match="revoked"):
            renew(authority.services, message_)


def test_what_was_made_of_a_certificate_outlives_its_revocation(
    authority: Authority, world: World, old_key, new_key
) -> None:
    """So does what a thief made of it, which docs/security.md says; the journal has what was made of what."""
    old = world.issue(authority.services, key=old_key)
    made = renew(authority.services, world.renewal(old, old_key, new_key))
    authority.services.revocations.revoke(revocation(old, old_key), by=None, address=ADDRESS)
    assert renew(authority.services, world.renewal(made, new_key, world.keys("ec:P-256", 2)))
    [(_, fields), _] = [
        reported for reported in world.audit.events if reported[0] is AuditEvent.CERTIFICATE_RENEWED
    ]
    assert fields["renewed_from"] == f"{old.serial_number:x}"


def test_of_another_context(authority: Authority, world: World, old_key, new_key) -> None:
    for mine, other in ((authority.services, authority.users), (authority.users, authority.services)):
        old = world.issue(mine, key=old_key)
        with pytest.raises(CertificateInvalid, match="not issued by"):
            renew(other, world.renewal(old, old_key, new_key))


def test_of_another_authority(authority: Authority, world: World, old_key, new_key, tmp_path) -> None:
    other = World(tmp_path / "other.sqlite", world.clock, world.keys, world.make_csr)
    old = other.issue(other.start().services, key=old_key)
    other.stop()
    with pytest.raises(CertificateInvalid):
        renew(authority.services, world.renewal(old, old_key, new_key))


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: {},
        lambda fields: {"crt_pem": fields["crt_pem"]},
        lambda fields: {"renew_csr_pem": fields["renew_csr_pem"]},
        lambda fields: {**fields, "crt_pem": None},
        lambda fields: {**fields, "crt_pem": "\ud800"},
        lambda fields: {**fields, "renew_csr_pem": "\udfff"},
        lambda fields: {**fields, "crt_pem": fields["renew_csr_pem"]},
        lambda fields: {**fields, "renew_csr_pem": fields["crt_pem"]},
        lambda fields: {**fields, "renew_csr_pem": fields["renew_csr_pem"] * 2},
        lambda fields: {**fields, "crt_pem": fields["crt_pem"] * 2},
    ],
)
def test_malformed(
    authority: Authority, world: World, old_key, new_key, change: Callable[[dict], dict]
) -> None:
    old = world.issue(authority.services, key=old_key)
    fields = change(world.renewal(old, old_key, new_key).fields)
    with pytest.raises(Malformed):
        renew(authority.services, message.sign(fields, old_key))


def test_ed25519_key_of_a_user(authority: Authority, world: World, old_key) -> None:
    old = world.issue(authority.users, key=old_key)
    with pytest.raises(NotAcceptable):
        renew(authority.users, world.renewal(old, old_key, world.keys("ed25519")))


def test_key_of_a_renewal_is_known(authority: Authority, world: World, old_key, new_key) -> None:
    old = world.issue(authority.users, key=old_key)
    renew(authority.users, world.renewal(old, old_key, new_key))
    with pytest.raises(DuplicateKey):
        authority.users.requests.submit(world.make_csr(key=new_key), address=ADDRESS)


def test_renewed_while_being_revoked(authority: Authority, world: World, old_key) -> None:
    """Whichever comes first: a certificate that was revoked first is not renewed."""
    for index in range(5):
        old = world.issue(authority.services, f"x{index}", old_key)
        signed = world.renewal(old, old_key, world.keys("ec:P-256", index))
        renewed, revoked = at_once(
            lambda: renew(authority.services, signed),
            lambda: authority.services.revocations.revoke(
                revocation(old, old_key),
                by=None,
                address=ADDRESS,
            ),
        )
        assert revoked is None
        assert isinstance(renewed, x509.Certificate | CertificateInvalid)


def test_new_certificate_is_signed_by_the_signing_ca(
    authority: Authority, world: World, old_key, new_key
) -> None:
    old = world.issue(authority.services, key=old_key)
    for _ in range(6):
        world.clock.advance(days=70)
        new = renew(authority.services, world.renewal(old, old_key, new_key))
        assert dump_pem(new) != dump_pem(old)
        old, old_key, new_key = new, new_key, old_key
    first = authority.services.keyring.snapshot().cas[0]
    assert authority_key_id(old) != first.key_id


def test_auto_count_of_users_does_not_matter(world: World, old_key, new_key) -> None:
    authority = world.start(users(auto_approve_count=0))
    old = world.issue(authority.users, key=old_key)
    assert not is_auto_signed(renew(authority.users, world.renewal(old, old_key, new_key)))


# One entry per key, among users


@pytest.mark.parametrize("whose", ["another user's", "its own", "a request's that waits", "a renewal's"])
def test_renewal_to_a_key_that_has_an_entry(
    authority: Authority, world: World, old_key, new_key, whose: str
) -> None:
    alice = world.issue(authority.users, "alice", old_key)
    bob_key = world.keys("ec:P-256", 3)
    bob = world.issue(authority.users, "bob", bob_key)
    if whose == "another user's":
        new_key = bob_key
    elif whose == "its own":
        new_key = old_key
    elif whose == "a request's that waits":
        authority.users.requests.submit(world.make_csr("carol", key=new_key), address=ADDRESS)
    else:
        signed = world.renewal(bob, bob_key, new_key)
        answer = renew(authority.users, signed)
        assert renew(authority.users, signed) == answer
    before = len(world.audit.events)
    with pytest.raises(DuplicateKey, match="same key"):
        renew(authority.users, world.renewal(alice, old_key, new_key))
    assert len(world.audit.events) == before
    renew(authority.users, world.renewal(alice, old_key, world.keys("ec:P-256", 4)))


def test_renewal_to_a_key_whose_entry_is_over(authority: Authority, world: World, old_key, new_key) -> None:
    world.issue(authority.users, "bob", new_key)
    world.clock.advance(days=50)
    alice = world.issue(authority.users, "alice", old_key)
    world.clock.advance(days=50)
    renew(authority.users, world.renewal(alice, old_key, new_key))


def test_services_may_share_a_key(authority: Authority, world: World, old_key, new_key) -> None:
    one = world.issue(authority.services, "one", old_key)
    world.issue(authority.services, "two", new_key)
    renew(authority.services, world.renewal(one, old_key, new_key))
    renew(authority.services, world.renewal(one, old_key, old_key))


def test_two_users_race_for_a_key(authority: Authority, world: World, old_key, new_key) -> None:
    other_key = world.keys("ec:P-256", 3)
    alice = world.issue(authority.users, "alice", old_key)
    bob = world.issue(authority.users, "bob", other_key)
    one, two = world.renewal(alice, old_key, new_key), world.renewal(bob, other_key, new_key)
    results = at_once(lambda: renew(authority.users, one), lambda: renew(authority.users, two))
    assert sorted(type(result).__name__ for result in results) == ["Certificate", "DuplicateKey"]
