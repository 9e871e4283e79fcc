"""The server's own HTTPS certificate: made, renewed, replaced when it does not fit."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509

from caucase.authority import AuditEvent, Authority, ContextName
from caucase.core import message, trust
from caucase.core.spki import spki
from caucase.core.x509 import (
    dump_private_key,
    is_signed_by,
    load_certificates,
    load_private_key,
    not_after,
    not_before,
    public_key,
)
from caucase.errors import NotFound

from .world import (
    PERIOD,
    SECOND,
    World,
    ca_set,
)


def https_of(world: World) -> x509.Certificate:
    content = world.https_file.content
    assert content is not None
    [certificate] = load_certificates(content)
    assert spki(public_key(certificate)) == spki(load_private_key(content).public_key())
    return certificate


def published_https_ca(authority: Authority, now: datetime) -> x509.Certificate:
    trusted = load_certificates(authority.services.ca_certificates())
    return trust.https_ca(message.parse(authority.https_ca().body), trusted, now)


def test_https(authority: Authority, world: World) -> None:
    with pytest.raises(NotFound):
        authority.https_ca()
    authority.maintain()
    certificate = https_of(world)
    ca = published_https_ca(authority, world.clock())
    assert is_signed_by(certificate, ca)
    assert not_after(ca) - not_before(ca) == 40 * PERIOD
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == ["ca.example.com"]
    assert list(certificate.subject) == []
    assert authority.https_ca() is authority.https_ca()
    authority.maintain()
    assert https_of(world) == certificate
    assert len(world.audit.of(AuditEvent.HTTPS_CERTIFICATE_ISSUED)) == 1


def test_https_is_renewed_31_days_before_its_end(authority: Authority, world: World) -> None:
    authority.maintain()
    first = https_of(world)
    due = not_after(first) - timedelta(days=31)
    status = authority.status()
    assert (status.https_due, status.https_not_after) == (due, not_after(first))
    world.clock.moment = due - SECOND
    authority.maintain()
    assert https_of(world) == first
    world.clock.moment = due
    authority.maintain()
    second = https_of(world)
    assert not_after(second) > not_after(first)
    assert spki(public_key(second)) != spki(public_key(first))
    assert (
        published_https_ca(authority, world.clock())
        == authority._keyrings[ContextName.HTTPS].snapshot().cas[0].certificate
    )


def test_https_file_that_does_not_fit_is_replaced(authority: Authority, world: World) -> None:
    authority.maintain()
    good = world.https_file.content or b""
    own_key = good[: good.index(b"-----BEGIN CERT")]
    other_key = world.keys("ec:P-384")
    for content in (
        b"",
        b"x",
        own_key,
        good[len(own_key) :],
        dump_private_key(other_key) + good[len(own_key) :],
        good[:-50],
    ):
        world.https_file.content = content
        with pytest.raises(NotFound):
            authority.https_ca()
        authority.maintain()
        https_of(world)
        published_https_ca(authority, world.clock())


def test_https_of_another_database_is_replaced(world: World, tmp_path) -> None:
    other = World(tmp_path / "other.sqlite", world.clock, world.keys, world.make_csr)
    other.start().maintain()
    other.stop()
    world.https_file = other.https_file
    authority = world.start()
    authority.maintain()
    assert is_signed_by(https_of(world), published_https_ca(authority, world.clock()))


def test_https_ca_is_vouched_for_by_the_ca_that_signs(authority: Authority, world: World) -> None:
    authority.maintain()
    first = authority.https_ca()
    old = ca_set(authority.services, world.clock())
    for _ in range(15):
        world.clock.advance(days=20)
        authority.maintain()
    assert authority.https_ca().body != first.body
    with pytest.raises(trust.Untrusted):
        trust.https_ca(message.parse(authority.https_ca().body), old, world.clock())
    published_https_ca(authority, world.clock())
