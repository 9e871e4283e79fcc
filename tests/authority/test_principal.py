"""Who is a user: authentication by certificate, in this very moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from caucase.authority import AuditEvent, Authority, Principal
from caucase.core import message
from caucase.core.x509 import (
    dump_der,
    is_signed_by,
    not_after,
    not_before,
    subject_key_id,
)
from caucase.errors import CertificateInvalid, NotAuthenticated, StoreError

from .world import (
    ADDRESS,
    BOSS,
    SECOND,
    World,
    ca_set,
    renew,
    revocation,
)


def test_user(authority: Authority, world: World) -> None:
    made = world.issue(authority.users, "alice")
    principal = authority.authenticate(dump_der(made), address=ADDRESS)
    assert principal == Principal(subject="CN=alice", serial=made.serial_number, key_id=subject_key_id(made))
    assert authority.authenticate(dump_der(made), address=ADDRESS) is principal
    assert world.audit.of(AuditEvent.AUTHENTICATION_REFUSED) == []


def test_nobody(authority: Authority) -> None:
    with pytest.raises(NotAuthenticated):
        authority.authenticate(None, address=ADDRESS)


@pytest.mark.parametrize("noise", [b"", b"x", b"0\x82"])
def test_noise(authority: Authority, world: World, noise: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        authority.authenticate(noise, address=ADDRESS)
    [event] = world.audit.of(AuditEvent.AUTHENTICATION_REFUSED)
    assert event["address"] == ADDRESS


def test_service_is_no_user(authority: Authority, world: World) -> None:
    world.issue(authority.users, "alice", world.keys("ec:P-256", 1))
    made = world.issue(authority.services, "service")
    with pytest.raises(NotAuthenticated, match="not issued by"):
        authority.authenticate(dump_der(made), address=ADDRESS)


def test_user_is_not_refused_because_of_the_disk(authority: Authority, world: World) -> None:
    """Whose certificate cannot be looked up need not look for another one, and learns no path on the server."""
    made = world.issue(authority.users, "alice")
    world.stop()
    with pytest.raises(StoreError):
        authority.authenticate(dump_der(made), address=ADDRESS)
    assert not world.audit.of(AuditEvent.AUTHENTICATION_REFUSED)


def test_user_of_another_authority(authority: Authority, world: World, tmp_path) -> None:
    other = World(tmp_path / "other.sqlite", world.clock, world.keys, world.make_csr)
    made = other.issue(other.start().users, "mallory")
    other.stop()
    world.issue(authority.users, "alice", world.keys("ec:P-256", 1))
    with pytest.raises(NotAuthenticated):
        authority.authenticate(dump_der(made), address=ADDRESS)


def test_user_in_time(authority: Authority, world: World) -> None:
    made = world.issue(authority.users)
    start = world.clock()
    for moment, good in (
        (not_before(made) - SECOND, False),
        (not_before(made), True),
        (start, True),
        (not_after(made) + timedelta(microseconds=999_999), True),
        (not_after(made) + SECOND, False),
        (start, True),
    ):
        world.clock.moment = moment
        if good:
            authority.authenticate(dump_der(made), address=ADDRESS)
        else:
            with pytest.raises(NotAuthenticated):
                authority.authenticate(dump_der(made), address=ADDRESS)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_revoked_user_is_refused_at_once(
    authority: Authority, world: World, elsewhere: bool, bare: bool
) -> None:
    made = world.issue(authority.users)
    by = authority.authenticate(dump_der(made), address=ADDRESS)
    revoking = world.start() if elsewhere else authority
    signed = message.null({"revoke_serial": made.serial_number}) if bare else revocation(made)
    revoking.users.revocations.revoke(signed, by=by, address=ADDRESS)
    with pytest.raises(NotAuthenticated, match="revoked"):
        authority.authenticate(dump_der(made), address=ADDRESS)


def test_serial_revoked_among_services_is_no_users(authority: Authority, world: World) -> None:
    made = world.issue(authority.users)
    signed = message.null({"revoke_serial": made.serial_number})
    authority.services.revocations.revoke(signed, by=BOSS, address=ADDRESS)
    authority.authenticate(dump_der(made), address=ADDRESS)


def test_user_is_refused_once_the_ca_has_ended(world: World) -> None:
    """A late server: the old CA signs up to its end, and its last certificates end with it."""
    authority = world.start()
    [ca] = ca_set(authority.users, world.clock())
    world.clock.moment = not_after(ca) - timedelta(days=1)
    made = world.issue(authority.users)
    assert is_signed_by(made, ca)
    assert not_after(made) == not_after(ca)
    world.clock.moment = not_after(ca)
    authority.authenticate(dump_der(made), address=ADDRESS)
    world.clock.advance(seconds=1)
    for prune in (False, True):
        if prune:
            authority.prune()
        with pytest.raises(NotAuthenticated):
            authority.authenticate(dump_der(made), address=ADDRESS)
        with pytest.raises(CertificateInvalid):
            renew(authority.users, world.renewal(made, world.keys(), world.keys("ec:P-256", 1)))


def test_many_users(authority: Authority, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and forgetting costs time only."""
    monkeypatch.setattr("caucase.authority.principal._REMEMBERED", 2)
    made = [world.issue(authority.users, f"u{index}", world.keys("ec:P-256", index)) for index in range(5)]
    for _ in range(2):
        names = [authority.authenticate(dump_der(one), address=ADDRESS).subject for one in made]
        assert names == [f"CN=u{index}" for index in range(5)]
    assert len(authority._authentication._checked) <= 2


def test_local_user() -> None:
    assert Principal.local(0).subject == "local user 0"
