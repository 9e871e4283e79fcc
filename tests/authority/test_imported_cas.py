"""CAs that came from elsewhere: put into the database by hand, as an import does, they are like our own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from caucase.authority import Authority, ContextName
from caucase.core.keys import KeyType, PrivateKey
from caucase.core.spki import key_id
from caucase.core.x509 import (
    authority_key_id,
    dump_der,
    dump_pem,
    dump_private_key_der,
    is_signed_by,
    load_certificate,
    load_certificate_der,
    not_after,
    not_before,
    public_key,
    subject_key_id,
)
from caucase.errors import ConfigError
from caucase.store import Database, cas

from .test_wrong_clock import client
from .world import (
    ADDRESS,
    BOSS,
    PERIOD,
    POLICY,
    World,
    at_once,
    ca_set,
    lists,
    renew,
    revocation,
    serials,
    services,
)

SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Société d’hier"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "One"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Two"),
    ]
)
BASIC = [
    (x509.BasicConstraints(ca=True, path_length=2), True),
    (x509.KeyUsage(True, False, False, False, False, True, True, False, False), True),
]
ODD = [
    *BASIC,
    (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.13"), b"\x16\x05hello"), False),
    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), False),
    (x509.SubjectAlternativeName([x509.RFC822Name("ca@example.com")]), False),
    (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), ["http://cps"])]), False),
    (x509.InhibitAnyPolicy(1), True),
    (x509.NameConstraints([x509.DNSName("example.com")], [x509.DNSName("not.example.com")]), True),
    (
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.UniformResourceIdentifier("http://old/crl")], None, None, None)]
        ),
        False,
    ),
]  # fmt: skip


def imported(
    world: World,
    *,
    key: PrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
    life: timedelta = 4 * PERIOD,
    identifiers: bool = True,
) -> x509.Certificate:
    """A self-signed foreign CA, stored."""
    now = world.clock().replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(SUBJECT)
        .issuer_name(SUBJECT)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + life)
    )
    if identifiers:
        own = x509.SubjectKeyIdentifier(b"chosen by somebody else")
        extensions = [
            *extensions,
            (own, False),
            (x509.AuthorityKeyIdentifier(own.digest, None, None), False),
        ]
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    made = load_certificate_der(dump_der(builder.sign(key, hashes.SHA256())))
    row = cas.CaRow(
        key_id=subject_key_id(made),
        not_before=int(not_before(made).timestamp()),
        not_after=int(not_after(made).timestamp()),
        certificate=dump_der(made),
        link=None,
    )
    new = cas.NewCa(row=row, private_key=dump_private_key_der(key))
    with Database(world.path) as database:
        database.write(lambda transaction: cas.insert(transaction, ContextName.CAS, new))
    return made


def own_extensions(certificate: x509.Certificate) -> list[tuple[x509.ExtensionType, bool]]:
    kinds = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
    return [
        (each.value, each.critical) for each in certificate.extensions if not isinstance(each.value, kinds)
    ]


@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-384"])
@pytest.mark.parametrize("identifiers", [True, False])
@pytest.mark.parametrize("extensions", [BASIC, ODD], ids=["basic", "odd"])
def test_an_imported_ca_rolls_over(
    world: World,
    tmp_path: Path,
    kind: str,
    identifiers: bool,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> None:
    old = imported(world, key=world.keys(kind), extensions=extensions, identifiers=identifiers)
    authority = world.start()
    authority.maintain()
    assert load_certificate(authority.services.ca_certificate().body) == old
    held, key, other = (
        world.issue(authority.services, "a.example.com"),
        world.keys(),
        world.keys("ec:P-256", 1),
    )
    assert is_signed_by(held, old)
    # Without an identifier of its own the CA has that of its key.
    assert authority_key_id(held) == subject_key_id(old)
    assert identifiers == (subject_key_id(old) != key_id(public_key(old)))
    authority.services.revocations.revoke(
        revocation(gone := world.issue(authority.services, "b.example.com")), by=BOSS, address=ADDRESS
    )
    assert serials(lists(authority.services)[subject_key_id(old)]) == {gone.serial_number}
    trusted = client(authority, world, [])
    start = world.clock()
    for step in range(1, 22):
        world.clock.moment = start + step * PERIOD / 3
        authority.maintain()
        trusted = client(authority, world, trusted)
        held = renew(authority.services, world.renewal(held, key, other, name=str(step)))
        key, other = other, key
        assert any(is_signed_by(held, ca) for ca in trusted)
    assert old not in trusted
    for successor in ca_set(authority.services, world.clock()):
        assert successor.subject == SUBJECT
        assert own_extensions(successor) == own_extensions(old)
        identifier = key_id(public_key(successor))
        assert subject_key_id(successor) == authority_key_id(successor) == identifier
    (tmp_path / "ca.pem").write_bytes(authority.services.ca_certificates())
    (tmp_path / "crt.pem").write_bytes(dump_pem(held))
    moment = str(int(world.clock().timestamp()))
    command = ["openssl", "verify", "-attime", moment, "-CAfile", "ca.pem", "crt.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("periods", "good"), [(2.99, False), (3, True), (40, True)])
def test_an_imported_ca_must_live_for_three_periods(world: World, periods: float, good: bool) -> None:
    imported(world, key=world.keys("ec:P-384"), extensions=BASIC, life=periods * PERIOD)
    authority = world.start()
    if good:
        authority.maintain()
        return
    for _ in range(2):
        with pytest.raises(ConfigError, match="cannot sign certificates that live for 93 days") as caught:
            authority.maintain()
        assert "shorten" in caught.value.hint
    world.start(services(validity=periods * PERIOD / 3)).maintain()


def test_an_imported_ca_of_a_century_gives_way_in_time(world: World) -> None:
    old = imported(world, key=world.keys("ec:P-384"), extensions=BASIC, life=timedelta(days=36525))
    authority = world.start()
    world.clock.moment = not_after(old) - 2 * PERIOD - timedelta(days=1)
    assert ca_set(authority.services, world.clock()) == [old]
    world.clock.advance(days=1)
    assert len(ca_set(authority.services, world.clock())) == 2


def test_key_types_change_with_the_successor(world: World) -> None:
    imported(world, key=world.keys("rsa:2048"), extensions=BASIC)
    authority: Authority = world.start(replace(POLICY, key_type=KeyType.parse("ec:P-384")))
    world.clock.advance(days=200)
    old, new = ca_set(authority.services, world.clock())
    assert public_key(old).key_size == 2048
    assert public_key(new).key_size == 384


def test_imported_cas_vouch_for_each_other(world: World) -> None:
    """Also when another process looks at the same time."""
    first = imported(world, key=world.keys("rsa:2048"), extensions=BASIC)
    world.clock.advance(days=100)
    second = imported(world, key=world.keys("ec:P-384"), extensions=ODD, identifiers=False)
    authorities = [world.start() for _ in range(3)]
    chains = at_once(*(each.services.ca_chain for each in authorities))
    assert len({chain.body for chain in chains}) == 1
    assert client(authorities[0], world, [first]) == [first, second]
    generation = authorities[0].generation()
    authorities[1].maintain()
    assert authorities[0].generation() == generation + 2  # CAU and HTTPS
