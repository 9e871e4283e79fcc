"""Lists that are stored and read in parts: whole, for everybody who has begun to read, and forgotten in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from caucase.authority import Authority, ContextAuthority, Document, list_documents
from caucase.core import message
from caucase.core.pem import CRL, PEM_LINE_BYTES, to_pem
from caucase.core.x509 import load_crl, load_crls
from caucase.errors import StoreError
from caucase.store import Database

from .world import ADDRESS, BOSS, World, ca_set


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_documents, "PART", 2 * PEM_LINE_BYTES)


def revoke(context: ContextAuthority, *serials: int) -> None:
    for serial in serials:
        context.revocations.revoke(message.null({"revoke_serial": serial}), by=BOSS, address=ADDRESS)


def versions(world: World) -> set[int]:
    """Of which there are parts."""
    with Database(world.path) as database, database.read() as transaction:
        return {version for (version,) in transaction.execute("SELECT version FROM crl_part")}


def document(authority: Authority, world: World, *, pem: bool) -> Document:
    [ca] = ca_set(authority.services, world.clock())
    aki = int.from_bytes(ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest, "big")
    return authority.services.lists.newest().document(aki, pem=pem)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7, 40])
def test_in_parts_it_is_the_same_list(authority: Authority, world: World, count: int) -> None:
    serials = set(range(1000, 1000 + count))
    revoke(authority.services, *serials)
    pem, der = (document(authority, world, pem=pem) for pem in (True, False))
    assert (pem.size, der.size) == (len(pem.body), len(der.body))
    listed = x509.load_der_x509_crl(der.body)
    assert load_crl(pem.body) == listed
    assert {entry.serial_number for entry in listed} == serials
    assert pem.body == to_pem(der.body, CRL)
    assert max(map(len, der.slices())) <= 2 * PEM_LINE_BYTES


def test_lists_of_several_cas(authority: Authority, world: World) -> None:
    ca_set(authority.services, world.clock())
    world.clock.advance(days=200)
    authority.maintain()
    revoke(authority.services, *range(1, 51))
    whole = authority.services.lists.newest().all
    assert whole.size == len(whole.body)
    assert len(load_crls(whole.body)) == 2


def test_who_has_begun_reads_to_the_end(authority: Authority, world: World) -> None:
    """Also if there is another list meanwhile; not if there are two: that is a reader who is too slow."""
    revoke(authority.services, *range(1, 50))
    expected = document(authority, world, pem=False).body
    one, other = (document(authority, world, pem=False).slices() for _ in range(2))
    begun = [next(one), next(other)]
    revoke(authority.services, 100)
    document(authority, world, pem=False)
    authority.services.lists.forget_unused()
    assert begun[0] + b"".join(one) == expected
    for serial in (101, 102):
        revoke(authority.services, serial)
        document(authority, world, pem=False)
    authority.services.lists.forget_unused()
    with pytest.raises(StoreError, match="replaced"):
        list(other)


def test_two_are_kept(authority: Authority, world: World) -> None:
    for serial in range(1, 6):
        revoke(authority.services, serial)
        document(authority, world, pem=True)
    authority.services.lists.forget_unused()
    assert len(versions(world)) == 2


def test_what_was_never_completed_is_forgotten_after_a_day(authority: Authority, world: World) -> None:
    document(authority, world, pem=True)
    kept = versions(world)

    def leave(transaction) -> None:
        moment = int(world.clock().timestamp())
        transaction.execute(
            "INSERT INTO crl_part VALUES (5, 0, ?, x'01'), (5, 1, ?, x'02')", (moment, moment)
        )

    with Database(world.path) as database:
        database.write(leave)
    authority.services.lists.forget_orphans()
    assert versions(world) == kept | {5}, "another process may be making it"
    world.clock.advance(days=2)
    authority.services.lists.forget_orphans()
    assert versions(world) == kept


def test_a_reader_who_finds_nothing_new_makes_nothing(authority: Authority, world: World) -> None:
    first = document(authority, world, pem=True)
    world.clock.advance(days=1)
    assert authority.services.lists.current() is not None
    assert document(authority, world, pem=True) == first
    revoke(authority.services, 1)
    assert authority.services.lists.current() is None
    assert document(authority, world, pem=True).etag != first.etag
    world.clock.advance(seconds=timedelta(days=16).total_seconds())
    assert authority.services.lists.current() is None
