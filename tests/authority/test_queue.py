"""How many requests may wait, of one address and in all, and how many are signed without asking."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caucase.authority import AuditEvent, ContextAuthority, RequestId
from caucase.core.profile import is_auto_signed
from caucase.errors import (
    DuplicateKey,
    Malformed,
    NotFound,
    QueueFull,
    QueueShareFull,
)

from .world import ADDRESS, BOSS, World, at_once, fetch, services, submit, users


def test_queue_is_limited(world: World) -> None:
    authority = world.start(services(max_pending=2))
    first, second = (world.make_csr(name) for name in "ab")
    ids = [submit(authority.services, csr) for csr in (first, second)]
    with pytest.raises(QueueFull):
        submit(authority.services, world.make_csr("c"))
    assert submit(authority.services, first) == ids[0]  # known
    submit(authority.users, world.make_csr("c"))  # another queue
    authority.services.requests.sign(ids[0], by=BOSS, address=ADDRESS)
    submit(authority.services, world.make_csr("c"))
    with pytest.raises(QueueFull):
        submit(authority.services, world.make_csr("d"))
    assert len(authority.services.requests.pending()) == 2


def test_queue_is_limited_also_in_a_race(world: World) -> None:
    authority = world.start(services(max_pending=3))
    csrs = [world.make_csr(str(index)) for index in range(8)]
    results = at_once(*(lambda csr=csr: submit(authority.services, csr) for csr in csrs))
    assert sum(isinstance(result, QueueFull) for result in results) == 5
    assert len(authority.services.requests.pending()) == 3


def from_address(authority: ContextAuthority, csr: bytes, address: str) -> RequestId:
    return authority.requests.submit(csr, address=address)


def test_one_address_has_its_share_of_the_queue(world: World) -> None:
    authority = world.start(services(max_pending=5, max_pending_per_address=2))
    first = world.make_csr("a")
    request_id = from_address(authority.services, first, "192.0.2.1")
    from_address(authority.services, world.make_csr("b"), "192.0.2.1")
    with pytest.raises(QueueShareFull):
        from_address(authority.services, world.make_csr("c"), "192.0.2.1")
    assert from_address(authority.services, first, "192.0.2.1") == request_id  # known
    # Others have their own, and a place that is free again is free for anybody.
    from_address(authority.services, world.make_csr("d"), "192.0.2.2")
    authority.services.requests.reject(request_id, by=BOSS, address=ADDRESS)
    from_address(authority.services, world.make_csr("e"), "192.0.2.1")
    # The other context counts for itself; who approves on the server is not counted.
    from_address(authority.users, world.make_csr("f"), "192.0.2.1")
    authority.services.requests.approve(world.make_csr("g"), by=BOSS)


def test_an_ipv6_network_has_one_share(world: World) -> None:
    authority = world.start(services(max_pending_per_address=1))
    from_address(authority.services, world.make_csr("a"), "2001:db8::1")
    with pytest.raises(QueueShareFull):
        from_address(authority.services, world.make_csr("b"), "2001:db8::2:3")
    from_address(authority.services, world.make_csr("b"), "2001:db8:0:1::1")


def test_the_whole_queue_comes_first(world: World) -> None:
    authority = world.start(services(max_pending=1, max_pending_per_address=1))
    from_address(authority.services, world.make_csr("a"), "192.0.2.1")
    with pytest.raises(QueueFull) as full:
        from_address(authority.services, world.make_csr("b"), "192.0.2.1")
    assert not isinstance(full.value, QueueShareFull)


def test_shares_are_kept_also_in_a_race(world: World) -> None:
    authority = world.start(services(max_pending_per_address=3))
    csrs = [world.make_csr(str(index)) for index in range(8)]
    results = at_once(*(lambda csr=csr: submit(authority.services, csr) for csr in csrs))
    assert sum(isinstance(result, QueueShareFull) for result in results) == 5


def test_what_is_signed_at_once_needs_no_share(world: World) -> None:
    authority = world.start(services(auto_approve_count=3, max_pending_per_address=1))
    for index in range(4):
        submit(authority.services, world.make_csr(str(index)))
    with pytest.raises(QueueShareFull):
        submit(authority.services, world.make_csr("5"))


def test_automatic_signing(world: World) -> None:
    authority = world.start(services(auto_approve_count=2, max_pending=1))
    ids = [submit(authority.services, world.make_csr(str(index))) for index in range(3)]
    assert [is_auto_signed(fetch(authority.services, request_id)) for request_id in ids[:2]] == [True, True]
    with pytest.raises(NotFound):
        fetch(authority.services, ids[2])
    assert [fields["user"] for fields in world.audit.of(AuditEvent.CERTIFICATE_SIGNED)] == ["automatic"] * 2
    authority.services.requests.reject(ids[2], by=BOSS, address=ADDRESS)
    request_id = submit(authority.services, world.make_csr("later"))
    assert [waiting.id for waiting in authority.services.requests.pending()] == [request_id]


def test_automatic_signing_counts_submissions_only(world: World) -> None:
    authority = world.start(users(auto_approve_count=2))
    csr = world.make_csr("a", key=world.keys("ec:P-256", 0))
    request_id = submit(authority.users, csr)
    assert submit(authority.users, csr) == request_id
    with pytest.raises(DuplicateKey):
        submit(authority.users, world.make_csr("b", key=world.keys("ec:P-256", 0)))
    with pytest.raises(Malformed):
        submit(authority.users, b"")
    fetch(authority.users, submit(authority.users, world.make_csr("c", key=world.keys("ec:P-256", 1))))
    with pytest.raises(NotFound):
        fetch(authority.users, submit(authority.users, world.make_csr("d", key=world.keys("ec:P-256", 2))))


def test_only_one_of_a_race_is_first(world: World) -> None:
    authority = world.start(users(auto_approve_count=1))
    csrs = [world.make_csr(str(index), key=world.keys("ec:P-256", index)) for index in range(6)]
    results = at_once(*(lambda csr=csr: submit(authority.users, csr) for csr in csrs))
    assert len(authority.users.requests.pending()) == 5
    assert len(world.audit.of(AuditEvent.CERTIFICATE_SIGNED)) == 1
    signed = set(results) - {waiting.id for waiting in authority.users.requests.pending()}
    assert is_auto_signed(fetch(authority.users, signed.pop()))


def test_count_survives_a_restart(world: World) -> None:
    authority = world.start(users(auto_approve_count=1))
    fetch(authority.users, submit(authority.users, world.make_csr("a")))
    world.stop()
    authority = world.start(users(auto_approve_count=1))
    submit(authority.users, world.make_csr("b", key=world.keys("ec:P-256", 1)))
    assert len(authority.users.requests.pending()) == 1


@pytest.mark.parametrize("lock", [True, False])
def test_locked_count(world: World, lock: bool) -> None:
    world.start(replace(users(auto_approve_count=0), lock_auto_approve_count=lock))
    authority = world.start(replace(users(auto_approve_count=9), lock_auto_approve_count=True))
    submit(authority.users, world.make_csr())
    assert len(authority.users.requests.pending()) == (1 if lock else 0)
    # Once locked, forgetting the option does not open it again.
    authority = world.start(users(auto_approve_count=99 if lock else 0))
    submit(authority.users, world.make_csr("b", key=world.keys("ec:P-256", 1)))
    assert len(authority.users.requests.pending()) == (2 if lock else 0)
