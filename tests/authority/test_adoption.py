"""CAs and lists that come from elsewhere: into a new database and into one that is in use."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from caucase.authority import AuditEvent, Authority
from caucase.core import crl, message, profile, trust
from caucase.core.issue import Signer, Validity, issue_ca, random_serial
from caucase.core.x509 import Serial, load_certificate, load_crl_der, revocation_date
from caucase.errors import Conflict, Malformed, Untrusted

from .world import ADDRESS, BOSS, PERIOD, POLICY, World, at_once, lists, number, serials


@pytest.fixture
def ca(world: World):
    def run(name: int, *, age: timedelta = timedelta(), life: timedelta = 4 * PERIOD) -> Signer:
        return issue_ca(
            world.keys("ec:P-256", 20 + name),
            subject=profile.ca_subject(f"Elsewhere {name}", POLICY.netloc),
            extensions=profile.ca_extensions(),
            validity=Validity.starting(world.clock() - age, life),
            serial=random_serial(),
        )

    return run


def trusted_from(authority: Authority, first: Signer, world: World) -> list[object]:
    """What a client comes to trust that trusts ``first`` alone."""
    chain = [message.from_json(one) for one in json.loads(authority.services.ca_chain().body)]
    anchor = load_certificate(authority.services.ca_certificate().body)
    return list(trust.updated_trust([first.certificate], anchor=anchor, chain=chain, now=world.clock()))


def test_a_new_database_goes_on_with_the_imported_ca(world: World, authority: Authority, ca) -> None:
    old = ca(0, age=PERIOD)
    assert authority.import_cas([old]) == [old]
    authority.maintain()
    assert [one.certificate for one in authority.services.keyring.snapshot().cas] == [old.certificate]
    assert world.issue(authority.services).issuer == old.certificate.subject


def test_several_vouch_for_each_other(world: World, authority: Authority, ca) -> None:
    first, second, third = ca(0, age=3 * PERIOD), ca(1, age=2 * PERIOD), ca(2, age=PERIOD)
    authority.import_cas([third, first])
    authority.import_cas([second])  # comes between the two
    everyone = [one.certificate for one in (first, second, third)]
    assert trusted_from(authority, first, world) == everyone
    assert trusted_from(authority, second, world) == everyone[1:]


def test_lists_that_were_read_are_not_those_of_a_new_ca(world: World, authority: Authority, ca) -> None:
    """It has none yet, and nobody has counted one."""
    one, other = authority.services.lists, world.start()
    authority.maintain()
    one.newest()
    assert one.current() is not None
    other.import_cas([ca(0, age=PERIOD)])
    assert one.current() is None
    published = one.newest().all
    assert published == other.services.lists.newest().all
    assert len(lists(authority.services)) == 2


def test_a_running_server_notices(world: World, authority: Authority, ca) -> None:
    authority.maintain()
    (own,) = authority.services.keyring.snapshot().cas
    other = world.start()
    before = other.generation()
    world.clock.advance(days=1)
    older, newer = ca(0, age=2 * PERIOD), ca(1)
    authority.import_cas([older, newer])
    assert other.generation() != before
    everyone = [older.certificate, own.certificate, newer.certificate]
    assert [one.certificate for one in other.services.keyring.snapshot().cas] == everyone
    assert trusted_from(other, older, world) == everyone
    assert len(lists(other.services)) == 3


def test_again_is_harmless(world: World, authority: Authority, ca) -> None:
    old = ca(0, age=PERIOD)
    authority.import_cas([old])
    generation = authority.generation()
    assert authority.import_cas([old]) == []
    assert authority.generation() == generation
    assert len(world.audit.of(AuditEvent.CA_IMPORTED)) == 1


def test_another_certificate_for_the_same_key(authority: Authority, ca) -> None:
    authority.import_cas([ca(0)])
    with pytest.raises(Conflict, match="another certificate"):
        authority.import_cas([ca(1), ca(0, life=5 * PERIOD)])
    assert len(authority.services.keyring.snapshot().cas) == 1


def test_two_imports_at_once(world: World, ca) -> None:
    signers = [ca(index, age=index * timedelta(days=30)) for index in range(4)]
    authorities = [world.start() for _ in signers]
    results = at_once(
        *(
            lambda one=one, signer=signer: one.import_cas([signer])
            for one, signer in zip(authorities, signers, strict=True)
        )
    )
    assert [len(result) for result in results] == [1] * 4
    assert len(trusted_from(authorities[0], signers[-1], world)) == 4


def test_the_successor_is_due_at_once_for_an_old_one(world: World, authority: Authority, ca) -> None:
    old = ca(0, age=3 * PERIOD)
    authority.import_cas([old])
    authority.maintain()
    first, second = authority.services.keyring.snapshot().cas
    assert first.certificate == old.certificate
    assert second.certificate.subject == old.certificate.subject
    assert trusted_from(authority, old, world) == [first.certificate, second.certificate]


def test_export_has_what_is_valid(world: World, authority: Authority, ca) -> None:
    old = ca(0, age=3 * PERIOD)
    authority.import_cas([old])
    (exported,) = authority.export_cas()
    assert exported.certificate == old.certificate
    assert exported.key.private_numbers() == old.key.private_numbers()
    assert len(world.audit.of(AuditEvent.CA_EXPORTED)) == 1
    world.clock.advance(days=400)
    assert authority.export_cas() == []


def published(signer: Signer, world: World, *revoked: int, number: int = 7):
    moment = world.clock() - timedelta(days=5)
    entries = b"".join(crl.revocation_entry(Serial(serial), moment) for serial in revoked)
    return load_crl_der(
        crl.build_crl(
            signer, entries, number=number, this_update=moment, next_update=moment + timedelta(days=30)
        )
    )


def test_a_published_list(world: World, authority: Authority, ca) -> None:
    old = ca(0, age=PERIOD)
    authority.import_cas([old])
    authority.import_lists([published(old, world, 11, 12)])
    (one,) = lists(authority.services).values()
    assert serials(one) == {11, 12}
    assert {revocation_date(entry) for entry in one} == {world.clock() - timedelta(days=5)}
    assert number(one) > 7
    authority.import_lists([published(old, world, 11, 13)])
    (again,) = lists(authority.services).values()
    assert serials(again) == {11, 12, 13}
    assert number(again) > number(one)


def test_its_number_is_never_used_again(world: World, authority: Authority, ca) -> None:
    """Also where lists were made already: theirs is lower, and the next one would get the imported number."""
    old = ca(0, age=PERIOD)
    authority.import_cas([old])
    assert {number(one) for one in lists(authority.services).values()} == {1}
    authority.import_lists([published(old, world, number=7)])
    assert number(next(iter(lists(authority.services).values()))) > 7
    authority.import_lists([published(old, world, number=3)])
    assert number(next(iter(lists(authority.services).values()))) > 7


def test_what_stays_on_the_list(world: World, authority: Authority, ca) -> None:
    """The end of those certificates is not known, so they stay until the last CA's end and one life of a list."""
    old = ca(0, age=PERIOD, life=5 * PERIOD)
    authority.import_cas([old])
    authority.import_lists([published(old, world, 11)])
    end = 4 * PERIOD + authority.services.lists.life
    world.clock.advance(seconds=(end - timedelta(days=1)).total_seconds())
    authority.maintain()
    assert all(serials(one) == {11} for one in lists(authority.services).values())
    world.clock.advance(days=2)
    authority.maintain()
    named = message.null({"revoke_serial": 99})
    authority.services.revocations.revoke(named, by=BOSS, address=ADDRESS)
    assert all(serials(one) == {99} for one in lists(authority.services).values())


def test_a_users_list_goes_to_users(world: World, authority: Authority) -> None:
    authority.maintain()
    (signer,) = [authority.users.keyring.signer_of(one) for one in authority.users.keyring.snapshot().cas]
    authority.import_lists([published(signer, world, 11, number=70)])
    assert [serials(one) for one in lists(authority.users).values()] == [{11}]
    assert [serials(one) for one in lists(authority.services).values()] == [set()]
    assert [entry["context"] for entry in world.audit.of(AuditEvent.CRL_IMPORTED)] == ["cau"]


def test_lists_that_are_refused(world: World, authority: Authority, ca) -> None:
    old, stranger = ca(0, age=PERIOD), ca(1)
    authority.import_cas([old])
    forged = Signer(certificate=old.certificate, key=stranger.key, key_id=old.key_id)
    for signer in (stranger, forged):
        with pytest.raises(Untrusted, match="not signed by a CA"):
            authority.import_lists([published(old, world, 11), published(signer, world, 12)])
    with pytest.raises(Malformed, match="number"):
        authority.import_lists([published(old, world, 11, number=1 << 100)])
    assert [serials(one) for one in lists(authority.services).values()] == [set()]
