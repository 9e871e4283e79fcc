"""A pass against a server that is well, that is not, and that lies. tests/interop has the real servers."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from caucase.client.keyfiles import load_pair
from caucase.client.updater import Outcome, one_pass
from caucase.client.updater.layout import Layout
from caucase.client.updater.memory import read_memory
from caucase.config.updater import UpdaterConfig
from caucase.core.asked import asked, parse_key_usage, parse_name
from caucase.core.crl import revocation_entry
from caucase.core.keys import KeyType
from caucase.core.request import make_request
from caucase.core.spki import spki
from caucase.core.x509 import (
    Serial,
    dump_pem,
    dump_private_key,
    load_certificates,
    load_request,
    not_after,
    public_key,
)
from caucase.errors import (
    CertificateInvalid,
    Conflict,
    Expiring,
    Malformed,
    NotFound,
    ServerRefused,
    Untrusted,
)

from ..simulator import Simulator, machine_clock, new_ca
from .conftest import MakeConfig, World

DAY = timedelta(days=1)


@pytest.fixture
def config(server: Simulator, make_config: MakeConfig, world: World) -> UpdaterConfig:
    server.cas.clock = world.now
    return make_config(server.url)


def sign(server: Simulator) -> None:
    """What a user would do."""
    for csr_id, pem in server.cas.requests.items():
        if csr_id not in server.cas.certificates:
            server.cas.certificates[csr_id] = server.cas.sign(load_request(pem), pem)


def reject(server: Simulator) -> None:
    server.cas.requests.clear()


def enrol(server: Simulator, config: UpdaterConfig, world: World) -> x509.Certificate:
    one_pass(config, world.surroundings)
    sign(server)
    one_pass(config, world.surroundings)
    server.seen.clear()
    return certificate_of(config)


def certificate_of(config: UpdaterConfig) -> x509.Certificate:
    """That of a pair in which key and certificate match."""
    assert config.crt is not None
    assert config.key is not None
    return load_pair(config.crt, config.key).certificate


def asked_for(server: Simulator) -> list[tuple[str, str]]:
    """What the server was asked for since the last time."""
    seen = [(method, path) for method, path in server.seen if path.startswith(("/cas/csr", "/cas/crt/renew"))]
    server.seen.clear()
    return seen


def test_from_nothing_to_a_certificate(server: Simulator, config: UpdaterConfig, world: World) -> None:
    outcome = one_pass(config, world.surroundings)
    assert outcome.pending in server.cas.requests
    assert (config.directory.stat().st_mode & 0o777) == 0o700
    csr = load_request(server.cas.requests[outcome.pending])
    (names,) = (one.value for one in csr.extensions if isinstance(one.value, x509.SubjectAlternativeName))
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com"]
    assert not config.crt.exists() if config.crt else False

    assert one_pass(config, world.surroundings).pending == outcome.pending
    assert len(server.cas.requests) == 1

    sign(server)
    after = one_pass(config, world.surroundings)
    assert after.pending == ""
    assert spki(public_key(certificate_of(config))) == spki(public_key(csr))
    assert stat.S_IMODE(Layout.of(config).memory.stat().st_mode) == 0o600
    assert not Layout.of(config).request.exists(), "the key is in the pair alone"
    assert config.crl.exists()
    assert load_certificates(config.ca.read_bytes()) == [server.cas.cas[0].certificate]


def test_nothing_due_asks_nobody(server: Simulator, config: UpdaterConfig, world: World) -> None:
    enrol(server, config, world)
    changes = world.changes
    before = {path: path.stat().st_mtime_ns for path in config.directory.iterdir()}
    outcome = one_pass(config, world.surroundings)
    assert (outcome.sentences, outcome.trouble) == ((), None)
    assert server.seen == []
    assert world.changes == changes
    assert {path: path.stat().st_mtime_ns for path in config.directory.iterdir()} == before
    assert world.now() < outcome.next_due <= world.now() + DAY


def test_the_daily_check_changes_nothing_when_nothing_is_new(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    enrol(server, config, world)
    server.misbehave["GET", "/cas/crl"] = lambda handler: handler.answer(200, config.crl.read_bytes())
    changes, before = world.changes, config.crl.stat().st_mtime_ns
    world.ahead = DAY
    assert one_pass(config, world.surroundings).sentences == ()
    assert ("GET", "/cas/crl") in server.seen
    assert (world.changes, config.crl.stat().st_mtime_ns) == (changes, before)
    server.seen.clear()
    one_pass(config, world.surroundings)
    assert server.seen == []


def test_each_renewal_has_a_fresh_key(server: Simulator, config: UpdaterConfig, world: World) -> None:
    first = enrol(server, config, world)
    renewed = []
    for _ in range(2):
        world.ahead += 63 * DAY
        one_pass(config, world.surroundings)
        renewed.append(certificate_of(config))
    keys = {spki(public_key(one)) for one in (first, *renewed)}
    assert len(keys) == 3
    assert not_after(renewed[1]) > not_after(first)
    assert renewed[1].subject == first.subject


def test_changed_names_are_asked_for_while_the_old_pair_stays(
    server: Simulator, config: UpdaterConfig, world: World, make_config: MakeConfig
) -> None:
    old = enrol(server, config, world)
    wanted = asked(
        names=[parse_name("www.example.net")],
        subject=None,
        key_usage=[parse_key_usage("digitalSignature")],
        purposes=[],
    )
    changed = make_config(server.url, asked=wanted)
    outcome = one_pass(changed, world.surroundings)
    assert outcome.pending
    assert certificate_of(changed) == old
    sign(server)
    one_pass(changed, world.surroundings)
    assert certificate_of(changed).subject.rfc4514_string() == "CN=www.example.net"
    server.seen.clear()
    one_pass(changed, world.surroundings)
    assert server.seen == []


def test_changed_back_before_it_was_signed(
    server: Simulator, config: UpdaterConfig, world: World, make_config: MakeConfig
) -> None:
    old = enrol(server, config, world)
    wanted = asked(names=[parse_name("other.example")], subject=None, key_usage=[], purposes=[])
    one_pass(make_config(server.url, asked=wanted), world.surroundings)
    assert one_pass(config, world.surroundings).pending == ""
    assert certificate_of(config) == old


def test_a_rejected_request_is_told_and_asked_again_after_a_day(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    one_pass(config, world.surroundings)
    reject(server)
    server.seen.clear()
    for _ in range(2):
        with pytest.raises(NotFound, match="rejected"):
            one_pass(config, world.surroundings)
    assert ("PUT", "/cas/csr") not in asked_for(server)
    # Its files are current all the same.
    assert config.crl.exists()
    world.ahead = DAY + timedelta(minutes=1)
    outcome = one_pass(config, world.surroundings)
    assert outcome.pending in server.cas.requests


def test_a_request_that_was_sent_by_a_clock_of_the_future_is_asked_again(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    server.cas.clock = machine_clock
    world.ahead = 10 * DAY
    one_pass(config, world.surroundings)
    reject(server)
    world.ahead = timedelta(0)
    outcome = one_pass(config, world.surroundings)
    assert outcome.pending in server.cas.requests
    reject(server)
    with pytest.raises(NotFound, match="rejected"):
        one_pass(config, world.surroundings)


def test_a_request_that_is_changed_after_its_rejection(
    server: Simulator, config: UpdaterConfig, world: World, make_config: MakeConfig
) -> None:
    one_pass(config, world.surroundings)
    reject(server)
    wanted = asked(names=[parse_name("www.example.org")], subject=None, key_usage=[], purposes=[])
    outcome = one_pass(make_config(server.url, asked=wanted), world.surroundings)
    assert outcome.pending in server.cas.requests


def test_an_expired_certificate_is_asked_for_again_and_the_unit_fails_until_it_is_there(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    enrol(server, config, world)
    world.ahead = 94 * DAY
    server.misbehave["PUT", "/cas/crt/renew"] = lambda handler: handler.answer(400, b"It has expired.")
    with pytest.raises(Expiring, match=r"The certificate ended on .* waits for a user's signature"):
        one_pass(config, world.surroundings)
    with pytest.raises(Expiring):
        one_pass(config, world.surroundings)
    assert len(server.cas.requests) == 2
    sign(server)
    assert one_pass(config, world.surroundings).pending == ""
    assert not_after(certificate_of(config)) > world.now()


def test_a_certificate_that_only_our_clock_calls_expired_is_renewed(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    old = enrol(server, config, world)
    server.cas.clock = machine_clock
    world.ahead = 94 * DAY
    with pytest.raises(Expiring):
        one_pass(config, world.surroundings)
    assert asked_for(server)[0] == ("PUT", "/cas/crt/renew")
    world.ahead = timedelta(0)
    assert one_pass(config, world.surroundings).pending == ""
    assert certificate_of(config) != old
    assert len(server.cas.requests) == 1, "nobody was bothered"


def test_a_revoked_certificate_is_not_renewed_nor_asked_for(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:

    certificate = enrol(server, config, world)
    server.cas.revoked.append(revocation_entry(Serial(certificate.serial_number), world.now()))
    server.cas.number += 1
    world.ahead = 70 * DAY
    server.misbehave["PUT", "/cas/crt/renew"] = lambda handler: handler.answer(400, b"It is revoked.")
    with pytest.raises(ServerRefused, match="revoked"):
        one_pass(config, world.surroundings)
    server.seen.clear()
    with pytest.raises(CertificateInvalid, match="revoked"):
        one_pass(config, world.surroundings)
    assert asked_for(server) == []


# Given requests, and key and certificate in two files.


@pytest.fixture
def given(config: UpdaterConfig, make_config: MakeConfig, server: Simulator) -> UpdaterConfig:
    """A request and its key, made by hand."""

    config.directory.mkdir()
    key = KeyType.parse("ec:P-256").generate()
    assert config.asked is not None
    (config.directory / "www.key").write_bytes(dump_private_key(key))
    (config.directory / "www.key").chmod(0o640)
    request = make_request(key, config.asked.subject, config.asked.extensions)
    (config.directory / "www.csr").write_bytes(dump_pem(request))
    return make_config(
        server.url,
        asked=None,
        key_type=None,
        csr=config.directory / "www.csr",
        key=config.directory / "www.key",
        crt=config.directory / "www.crt",
    )


@pytest.mark.parametrize("one_file", [True, False])
def test_a_given_request(server: Simulator, given: UpdaterConfig, world: World, one_file: bool) -> None:

    assert given.key is not None
    config = replace(given, crt=given.key) if one_file else given
    old = enrol(server, config, world)
    world.ahead = 70 * DAY
    one_pass(config, world.surroundings)
    assert certificate_of(config) != old
    assert stat.S_IMODE(given.key.stat().st_mode) == 0o640, "as it was"


def test_a_given_request_with_another_key(given: UpdaterConfig, world: World) -> None:

    assert given.key is not None
    given.key.write_bytes(dump_private_key(KeyType.parse("ec:P-256").generate()))
    with pytest.raises(Malformed, match="not that of the request"):
        one_pass(given, world.surroundings)


def test_a_key_that_is_in_the_way_is_not_overwritten(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:

    config.directory.mkdir()
    assert config.key is not None
    precious = dump_private_key(KeyType.parse("ec:P-256").generate())
    config.key.write_bytes(precious)
    config.key.chmod(0o600)
    one_pass(config, world.surroundings)
    sign(server)
    with pytest.raises(Conflict, match="another key"):
        one_pass(config, world.surroundings)
    assert config.key.read_bytes() == precious


# What must not be believed


def test_a_swapped_ca_changes_nothing(server: Simulator, config: UpdaterConfig, world: World) -> None:
    enrol(server, config, world)
    before = files(config)
    server.cas.cas[0] = new_ca("Test CAS")
    world.ahead = 2 * DAY
    with pytest.raises(Untrusted):
        one_pass(config, world.surroundings)
    assert files(config) == before


def test_a_certificate_for_another_key_changes_nothing(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    enrol(server, config, world)
    before = files(config)[config.crt]
    other = certificate_of(config)
    server.misbehave["PUT", "/cas/crt/renew"] = lambda handler: handler.answer(200, dump_pem(other))
    world.ahead = 63 * DAY
    with pytest.raises(Untrusted, match="not for the key"):
        one_pass(config, world.surroundings)
    assert files(config)[config.crt] == before


def test_a_certificate_of_another_ca_is_not_taken(
    server: Simulator, config: UpdaterConfig, world: World
) -> None:
    outcome = one_pass(config, world.surroundings)
    pem = server.cas.requests[outcome.pending]
    server.cas.certificates[outcome.pending] = server.cau.sign(load_request(pem), pem)
    with pytest.raises(Untrusted):
        one_pass(config, world.surroundings)
    assert config.crt is not None
    assert not config.crt.exists()


def test_roll_over_is_followed(server: Simulator, config: UpdaterConfig, world: World) -> None:
    enrol(server, config, world)
    server.cas.roll_over()
    world.ahead = DAY
    outcome: Outcome = one_pass(config, world.surroundings)
    assert load_certificates(config.ca.read_bytes()) == [ca.certificate for ca in server.cas.cas]
    assert any("CA certificates" in sentence for sentence in outcome.sentences)


# Notes


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"{}", b'{"checked_at": 3, "request": null, "asked": ""}']
)
def test_damaged_notes_cost_one_question(
    server: Simulator, config: UpdaterConfig, world: World, damage: bytes
) -> None:
    old = enrol(server, config, world)
    Layout.of(config).memory.write_bytes(damage)
    assert one_pass(config, world.surroundings).trouble is None
    assert certificate_of(config) == old
    assert ("PUT", "/cas/csr") not in server.seen
    assert read_memory(Layout.of(config).memory).checked_at is not None


def files(config: UpdaterConfig) -> dict[Path | None, bytes]:
    return {
        path: path.read_bytes()
        for path in config.directory.iterdir()
        if path.suffix in (".pem", ".key", ".crt")
    }
