"""Requests: taken once, decided once, kept for as long as they should be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority, RequestId
from caucase.core.profile import is_auto_signed
from caucase.core.spki import key_id
from caucase.core.x509 import load_certificate, load_request, not_after, not_before, public_key
from caucase.errors import (
    CaucaseError,
    CertificateInvalid,
    DuplicateKey,
    Malformed,
    NotAcceptable,
    NotFound,
    QueueFull,
)

from .world import ADDRESS, BOSS, PERIOD, POLICY, World, at_once, fetch, revocation, services, submit, users

MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def test_from_request_to_certificate(authority: Authority, world: World) -> None:
    cas, csr = authority.services, world.make_csr("www.example.com")
    request_id = submit(cas, csr)
    assert 0 <= request_id < 2**63
    assert load_request(cas.requests.request(request_id)) == load_request(csr)
    assert [(waiting.id, waiting.csr_pem) for waiting in cas.requests.pending()] == [
        (request_id, cas.requests.request(request_id))
    ]
    with pytest.raises(NotFound):
        fetch(cas, request_id)
    cas.requests.sign(request_id, by=BOSS, address=ADDRESS)
    made = fetch(cas, request_id)
    assert made.subject.rfc4514_string() == "CN=www.example.com"
    assert public_key(made).public_numbers() == world.keys().public_key().public_numbers()
    assert not_before(made) == world.clock() - timedelta(seconds=10)
    assert not_after(made) == not_before(made) + PERIOD
    assert not is_auto_signed(made)
    assert cas.requests.pending() == []
    assert load_request(cas.requests.request(request_id)) == load_request(csr)


def test_what_is_reported(authority: Authority, world: World) -> None:
    request_id = submit(authority.services, world.make_csr("www.example.com"))
    authority.services.requests.sign(request_id, by=BOSS, address="192.0.2.8")
    made = fetch(authority.services, request_id)
    key = key_id(world.keys().public_key()).hex()
    assert world.audit.of(AuditEvent.REQUEST_SUBMITTED) == [
        {
            "context": "cas",
            "csr_id": request_id,
            "key_id": key,
            "subject": "CN=www.example.com",
            "address": ADDRESS,
        }
    ]
    assert world.audit.of(AuditEvent.CERTIFICATE_SIGNED) == [
        {
            "context": "cas", "serial": f"{made.serial_number:x}", "key_id": key, "subject": "CN=www.example.com",
            "csr_id": request_id, "user": "CN=boss", "address": "192.0.2.8",
        }
    ]  # fmt: skip


def test_the_same_again(authority: Authority, world: World) -> None:
    csr = world.make_csr()
    request_id = submit(authority.services, csr)
    assert submit(authority.services, csr.replace(b"\n", b"\r\n")) == request_id
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    assert submit(authority.services, csr) == request_id
    assert authority.services.requests.pending() == []
    assert len(world.audit.of(AuditEvent.REQUEST_SUBMITTED)) == 1
    # Another context is another matter.
    assert submit(authority.users, csr) != request_id


def test_contexts_do_not_mix(authority: Authority, world: World) -> None:
    request_id = submit(authority.services, world.make_csr())
    for use in (
        lambda: authority.users.requests.request(request_id),
        lambda: authority.users.requests.sign(request_id, by=BOSS, address=ADDRESS),
        lambda: authority.users.requests.reject(request_id, by=BOSS, address=ADDRESS),
        lambda: authority.users.requests.certificate(request_id),
    ):
        with pytest.raises(NotFound):
            use()
    assert authority.users.requests.pending() == []
    assert len(authority.services.requests.pending()) == 1


def test_order_of_what_waits(authority: Authority, world: World) -> None:
    ids = []
    for name in "cab":
        ids.append(submit(authority.services, world.make_csr(name)))
        world.clock.advance(seconds=1)
    assert [waiting.id for waiting in authority.services.requests.pending()] == ids
    assert authority.count_pending() == 3


def test_refused_requests_leave_nothing(authority: Authority, world: World) -> None:
    for csr, error in (
        (b"", Malformed),
        (b"x" * 100, Malformed),
        (world.make_csr() * 2, Malformed),
        (world.make_csr(None), Malformed),
        (world.make_csr()[:-40], Malformed),
    ):
        for context in (authority.users, authority.services):
            with pytest.raises(error):
                submit(context, csr)
            with pytest.raises(error):
                context.requests.approve(csr, by=BOSS)
    with pytest.raises(NotAcceptable, match="Ed25519"):
        submit(authority.users, world.make_csr(key=world.keys("ed25519")))
    assert authority.count_pending() == 0
    assert world.audit.events == []
    submit(authority.services, world.make_csr(key=world.keys("ed25519")))


@pytest.mark.parametrize("request_id", [0, 1, 2**63 - 1])
def test_unknown_request(authority: Authority, request_id: int) -> None:
    requests, unknown = authority.services.requests, RequestId(request_id)
    for use in (
        lambda: requests.request(unknown),
        lambda: requests.certificate(unknown),
        lambda: requests.sign(unknown, by=BOSS, address=ADDRESS),
        lambda: requests.reject(unknown, by=BOSS, address=ADDRESS),
    ):
        with pytest.raises(NotFound):
            use()


def test_reject(authority: Authority, world: World) -> None:
    csr, requests = world.make_csr(), authority.services.requests
    request_id = submit(authority.services, csr)
    requests.reject(request_id, by=BOSS, address=ADDRESS)
    assert requests.pending() == []
    with pytest.raises(NotFound):
        requests.request(request_id)
    with pytest.raises(NotFound):
        requests.reject(request_id, by=BOSS, address=ADDRESS)
    with pytest.raises(NotFound):
        requests.sign(request_id, by=BOSS, address=ADDRESS)
    assert len(world.audit.of(AuditEvent.REQUEST_REJECTED)) == 1
    assert submit(authority.services, csr) != request_id


def test_decided_is_decided(authority: Authority, world: World) -> None:
    requests = authority.services.requests
    request_id = submit(authority.services, world.make_csr())
    requests.sign(request_id, by=BOSS, address=ADDRESS)
    before = fetch(authority.services, request_id)
    with pytest.raises(NotFound):
        requests.sign(request_id, by=BOSS, address=ADDRESS)
    with pytest.raises(NotFound):
        requests.reject(request_id, by=BOSS, address=ADDRESS)
    assert fetch(authority.services, request_id) == before


# Templates


def test_template(authority: Authority, world: World) -> None:
    request_id = submit(authority.services, world.make_csr("asked", key=world.keys("rsa:2048")))
    names = x509.SubjectAlternativeName([x509.DNSName("granted.example")])
    template = world.make_csr("granted", extensions=[(names, True)])
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS, template_pem=template)
    made = fetch(authority.services, request_id)
    assert made.subject.rfc4514_string() == "CN=granted"
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert public_key(made).public_numbers() == world.keys("rsa:2048").public_key().public_numbers()


@pytest.mark.parametrize("template", [b"", b"x", "nobody"])
def test_bad_template(authority: Authority, world: World, template: bytes | str) -> None:
    request_id = submit(authority.services, world.make_csr())
    data = world.make_csr(None) if isinstance(template, str) else template
    with pytest.raises(Malformed):
        authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS, template_pem=data)
    assert len(authority.services.requests.pending()) == 1


# Keys of users


def test_one_request_for_each_key_of_a_user(authority: Authority, world: World) -> None:
    first = submit(authority.users, world.make_csr("a"))
    with pytest.raises(DuplicateKey):
        submit(authority.users, world.make_csr("b"))
    authority.users.requests.sign(first, by=BOSS, address=ADDRESS)
    with pytest.raises(DuplicateKey):
        submit(authority.users, world.make_csr("b"))
    with pytest.raises(DuplicateKey):
        authority.users.requests.approve(world.make_csr("b"), by=BOSS)
    world.clock.advance(days=94)
    submit(authority.users, world.make_csr("b"))
    for name in "ab":
        submit(authority.services, world.make_csr(name))
    assert len(authority.services.requests.pending()) == 2


def test_rejected_key_may_come_again(authority: Authority, world: World) -> None:
    request_id = submit(authority.users, world.make_csr("a"))
    authority.users.requests.reject(request_id, by=BOSS, address=ADDRESS)
    submit(authority.users, world.make_csr("b"))


def test_duplicate_key_also_in_a_race(authority: Authority, world: World) -> None:
    csrs = [world.make_csr(str(index)) for index in range(6)]
    results = at_once(*(lambda csr=csr: submit(authority.users, csr) for csr in csrs))
    assert sum(isinstance(result, DuplicateKey) for result in results) == 5
    assert len(authority.users.requests.pending()) == 1


def test_approved_again_after_a_revocation(authority: Authority, world: World) -> None:
    """Whoever runs the server must not believe that the holder can sign."""
    csr = world.make_csr("alice")
    made = load_certificate(authority.users.requests.approve(csr, by=BOSS))
    assert load_certificate(authority.users.requests.approve(csr, by=BOSS)) == made
    authority.users.revocations.revoke(revocation(made), by=BOSS, address=ADDRESS)
    before = len(world.audit.events)
    with pytest.raises(CertificateInvalid, match="has been revoked") as caught:
        authority.users.requests.approve(csr, by=BOSS)
    assert "new key" in caught.value.hint
    assert len(world.audit.events) == before


# How long an answer is kept


def test_services_certificate_is_kept_for_a_day(authority: Authority, world: World) -> None:
    request_id = submit(authority.services, world.make_csr())
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    signed_at = world.clock()
    world.clock.moment = signed_at + DAY
    fetch(authority.services, request_id)
    world.clock.moment = signed_at + DAY + timedelta(seconds=1)
    with pytest.raises(NotFound):
        fetch(authority.services, request_id)
    with pytest.raises(NotFound):
        authority.services.requests.request(request_id)


def test_services_certificate_is_kept_for_a_while_after_it_was_read(
    authority: Authority, world: World
) -> None:
    request_id = submit(authority.services, world.make_csr())
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    world.clock.advance(hours=3)
    fetch(authority.services, request_id)
    read_at = world.clock()
    for later in (timedelta(hours=1), timedelta(days=0.05)):  # reading again changes nothing
        world.clock.moment = read_at + later
        fetch(authority.services, request_id)
    world.clock.advance(seconds=1)
    with pytest.raises(NotFound):
        fetch(authority.services, request_id)


def test_reading_never_prolongs(authority: Authority, world: World) -> None:
    request_id = submit(authority.services, world.make_csr())
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    world.clock.advance(hours=23, minutes=59)
    fetch(authority.services, request_id)
    world.clock.advance(minutes=2)
    with pytest.raises(NotFound):
        fetch(authority.services, request_id)


def test_users_certificate_is_kept_for_its_life(authority: Authority, world: World) -> None:
    made = world.issue(authority.users)
    [request_id] = [fields["csr_id"] for fields in world.audit.of(AuditEvent.REQUEST_SUBMITTED)]
    world.clock.moment = not_after(made)
    assert fetch(authority.users, request_id) == made
    world.clock.advance(seconds=1)
    with pytest.raises(NotFound):
        fetch(authority.users, request_id)


def test_pending_request_waits_for_ever(authority: Authority, world: World) -> None:
    request_id = submit(authority.services, world.make_csr())
    world.clock.advance(days=5000)
    authority.prune()
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    assert not_after(fetch(authority.services, request_id)) > world.clock()


@pytest.mark.parametrize("prune", [True, False])
def test_the_same_request_after_its_answer_is_forgotten(
    authority: Authority, world: World, prune: bool
) -> None:
    csr = world.make_csr()
    request_id = submit(authority.services, csr)
    authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)
    world.clock.advance(days=2)
    if prune:
        authority.prune()
    again = submit(authority.services, csr)
    assert again != request_id
    assert [waiting.id for waiting in authority.services.requests.pending()] == [again]


# On the server itself


def test_approve(world: World) -> None:
    authority = world.start(users(auto_approve_count=1, max_pending=0))
    csr = world.make_csr("root")
    made = load_certificate(authority.users.requests.approve(csr, by=BOSS))
    assert made.subject.rfc4514_string() == "CN=root"
    assert not is_auto_signed(made)
    assert load_certificate(authority.users.requests.approve(csr, by=BOSS)) == made
    assert len(world.audit.of(AuditEvent.CERTIFICATE_SIGNED)) == 1
    # Whoever runs the server was first: nobody after that is approved automatically.
    with pytest.raises(QueueFull):
        submit(authority.users, world.make_csr("b", key=world.keys("ec:P-256", 1)))


def test_approve_what_waits(authority: Authority, world: World) -> None:
    csr = world.make_csr("root")
    request_id = submit(authority.users, csr)
    made = load_certificate(authority.users.requests.approve(csr, by=BOSS))
    assert fetch(authority.users, request_id) == made
    assert authority.users.requests.pending() == []


# Races


def test_two_sign_the_same(authority: Authority, world: World) -> None:
    for round_number in range(5):
        request_id = submit(authority.services, world.make_csr(str(round_number)))
        work = [lambda: authority.services.requests.sign(request_id, by=BOSS, address=ADDRESS)] * 4
        results = at_once(*work)
        assert results.count(None) == 1
        assert sum(isinstance(result, NotFound) for result in results) == 3
        assert len(world.audit.of(AuditEvent.CERTIFICATE_SIGNED)) == round_number + 1
        made = fetch(authority.services, request_id)
        assert world.audit.of(AuditEvent.CERTIFICATE_SIGNED)[-1]["serial"] == f"{made.serial_number:x}"


def test_one_signs_and_another_rejects(authority: Authority, world: World) -> None:
    requests = authority.services.requests
    for round_number in range(5):
        request_id = submit(authority.services, world.make_csr(str(round_number)))
        results = at_once(
            lambda: requests.sign(request_id, by=BOSS, address=ADDRESS),
            lambda: requests.reject(request_id, by=BOSS, address=ADDRESS),
        )
        assert results.count(None) == 1
        assert sum(isinstance(result, NotFound) for result in results) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_eight_submit_the_same(world: World, count: int) -> None:
    authority = world.start(services(auto_approve_count=count))
    csr = world.make_csr()
    results = at_once(*[lambda: submit(authority.services, csr)] * 8)
    assert len(set(results)) == 1
    assert not isinstance(results[0], CaucaseError)
    assert len(world.audit.of(AuditEvent.REQUEST_SUBMITTED)) == 1
    assert len(world.audit.of(AuditEvent.CERTIFICATE_SIGNED)) == count


def test_approve_twice_at_once(authority: Authority, world: World) -> None:
    csr = world.make_csr("root")
    results = at_once(*[lambda: authority.users.requests.approve(csr, by=BOSS)] * 4)
    assert len(set(results)) == 1
    assert load_certificate(results[0]).subject.rfc4514_string() == "CN=root"


def test_policy_of_the_issue_is_what_the_tests_use() -> None:
    assert (POLICY.users.validity, POLICY.users.max_pending, POLICY.services.auto_approve_count) == (
        PERIOD,
        50,
        0,
    )
