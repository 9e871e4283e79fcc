"""What a former server kept becomes ours: everything that its clients know, and nothing that cannot be used."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from caucase.authority import ContextName, TakenOver, take_over
from caucase.core import message, profile, trust
from caucase.core.netloc import NetLoc
from caucase.core.x509 import load_certificate, revocation_date
from caucase.errors import CaucaseError, ConfigError, Malformed, NotAcceptable, StoreError
from caucase.store.legacy import read_database
from caucase.store.legacy_dump import read_dump

from ..former import PERIOD, FormerDatabase
from .world import ADDRESS, BOSS, POLICY, World, fetch, lists, number, renew, serials, services


@pytest.fixture
def former(clock, keys) -> FormerDatabase:
    return FormerDatabase(clock(), keys)


@pytest.fixture
def move(world: World, former: FormerDatabase, tmp_path: Path):
    """Takes over into a database of its own; then ``world.start()`` is the server on it."""

    def run(policy=POLICY) -> TakenOver:
        legacy = read_database(former.save(tmp_path / "old.sqlite"))
        world.start(policy)  # for its database, in which nothing has been made
        return take_over(world._open[-1], legacy, policy, now=world.clock())

    return run


def test_requests_certificates_and_counts(world: World, former: FormerDatabase, move, keys, make_csr) -> None:
    former.add_all_cas()
    waits = make_csr("waits")
    former.add_request("cas", 5, waits)
    kept = former.add_certificate("cas", 6, make_csr("www", key=keys("ec:P-256", 1)))
    former.add_certificate("cau", 7, make_csr("alice", key=keys("ec:P-256", 2)), keep=PERIOD)
    former.set("cascounter", {"received_csr": 3, "crl_number": 12})
    former.set("casconfig_once", {"auto_sign_csr_amount": "4"})
    former.revoke("cas", 123456789, ago=timedelta(days=2))

    result = move()

    assert (result.cas, result.pending, result.certificates, result.revocations) == (3, 1, 2, 1)
    assert result.left_out == ()
    authority = world.start()
    assert fetch(authority.services, 6) == kept
    assert fetch(authority.users, 7).subject.rfc4514_string() == "CN=alice"
    assert [one.id for one in authority.services.requests.pending()] == [5]
    assert authority.services.requests.submit(waits, address=ADDRESS) == 5
    authority.services.requests.sign(5, by=BOSS, address=ADDRESS)
    (one,) = lists(authority.services).values()
    assert number(one) > 12
    assert serials(one) == {123456789}
    assert revocation_date(next(iter(one))) == world.clock() - timedelta(days=2)
    # The fourth submission is still one of the locked four, the fifth is not.
    first = authority.services.requests.submit(make_csr("fourth"), address=ADDRESS)
    fetch(authority.services, first)
    authority.services.requests.submit(make_csr("fifth"), address=ADDRESS)
    assert len(authority.services.requests.pending()) == 1


def test_a_kept_certificate_is_renewed_and_revoked_by_its_serial(
    world: World, former: FormerDatabase, move, keys, make_csr
) -> None:
    former.add_all_cas()
    key = keys("ec:P-256", 1)
    kept = former.add_certificate("cas", 6, make_csr("www", key=key))
    move()
    authority = world.start()
    renewed = renew(authority.services, world.renewal(kept, key, keys("ec:P-256", 2)))
    assert renewed.issuer == kept.issuer
    named = message.null({"revoke_serial": kept.serial_number})
    authority.services.revocations.revoke(named, by=BOSS, address=ADDRESS)
    (one,) = lists(authority.services).values()
    assert serials(one) == {kept.serial_number}


def test_a_revoked_one_is_refused_whichever_ca_made_it(
    world: World, former: FormerDatabase, move, keys, make_csr
) -> None:
    former.add_ca("cas", age=2 * PERIOD)
    former.add_ca("cas", number=1)
    key = keys("ec:P-256", 3)
    kept = former.add_certificate("cas", 6, make_csr("www", key=key))
    former.revoke("cas", kept.serial_number)
    move()
    authority = world.start()
    with pytest.raises(CaucaseError, match="revoked"):
        renew(authority.services, world.renewal(kept, key, keys("ec:P-256", 4)))
    assert [serials(one) for one in lists(authority.services).values()] == [{kept.serial_number}] * 2


def test_the_trust_of_clients_goes_on(world: World, former: FormerDatabase, move) -> None:
    """In any order, with the same CA twice, as the peer's imports leave them; clients follow from the oldest."""
    youngest = former.add_ca("cas", number=3)
    oldest = former.add_ca("cas", age=3 * PERIOD, number=1)
    middle = former.add_ca("cas", age=PERIOD, number=2)
    former.rows["casca"].append(former.rows["casca"][0])
    assert move().cas == 3
    authority = world.start()
    anchor = load_certificate(authority.services.ca_certificate().body)
    assert anchor == oldest.certificate
    chain = [message.from_json(one) for one in json.loads(authority.services.ca_chain().body)]
    trusted = trust.updated_trust([oldest.certificate], anchor=anchor, chain=chain, now=world.clock())
    assert trusted == [one.certificate for one in (oldest, middle, youngest)]


def test_the_https_ca_goes_on(world: World, former: FormerDatabase, move) -> None:
    former.add_all_cas()
    move()
    authority = world.start()
    authority.maintain()
    assert world.https_file.content is not None
    issued = x509.load_pem_x509_certificate(
        world.https_file.content.partition(b"-----BEGIN C")[2].join([b"-----BEGIN C", b""])
    )
    assert issued.issuer == former.cas["http_cas"][0].certificate.subject


def test_last_change(former: FormerDatabase, move, clock) -> None:
    former.add_ca("cas", age=timedelta(days=50))
    former.revoke("cas", 5, ago=timedelta(days=9))
    assert move().last_change == clock() - timedelta(days=9)


@pytest.mark.parametrize("known", [{"crl_last_update": "{}"}])
def test_last_change_is_that_of_the_last_list(former: FormerDatabase, move, clock, known) -> None:
    former.add_ca("cas", age=timedelta(days=50))
    moment = clock() - timedelta(days=3)
    former.set("casconfig", {"crl_last_update": str(int(moment.timestamp()))})
    assert move().last_change == moment


def test_what_cannot_be_used_is_left_out_and_said(former: FormerDatabase, move, keys, make_csr) -> None:
    former.add_all_cas()
    former.add_request("cas", 1, b"nonsense")
    former.rows["cascrt"].append((2, b"00", 2_000_000_000, make_csr("x"), b"nonsense"))
    former.rows["cascrt"].append((3, b"00", None, None, None))
    former.add_request("cau", 4, make_csr("weak", key=keys("ed25519")))
    former.revoke("cas", "0")
    former.revoke("cas", str(1 << 160))
    result = move()
    assert (result.pending, result.certificates, result.revocations) == (0, 0, 0)
    assert [sentence.split(":")[0] for sentence in result.left_out] == [
        "cau request 4",
        "cas request 1",
        "cas kept certificate 2",
        "cas request 3",
        "cas revoked serial 0",
        f"cas revoked serial {1 << 160}",
    ]


def with_policy(folder: Path, oid: str) -> bytes:
    """A certificate with a policy that old versions of cryptography cannot even name, made by openssl."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    command += ["-keyout", "key", "-out", "crt", "-subj", "/CN=old", "-addext", f"certificatePolicies={oid}"]
    subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
    return (folder / "crt").read_bytes()


def test_certificates_with_the_old_oid(
    former: FormerDatabase, move, make_csr, world: World, tmp_path: Path
) -> None:
    """Before it had a number of its own, the peer marked automatic signing under 2.25.…; where the library cannot read
    that, the kept certificate is left out, and its holder has it anyway.
    """
    former.add_all_cas()
    fine = former.add_certificate("cas", 1, make_csr("fine"))
    legacy = with_policy(tmp_path, f"{profile.LEGACY_OID}.0")
    former.rows["cascrt"].append((2, b"00", 2_000_000_000, make_csr("old"), legacy))
    result = move()
    try:
        readable = profile.is_auto_signed(load_certificate(legacy))
    except Malformed:
        readable = False
    left_out = [] if readable else ["cas kept certificate 2: The certificate is not well-formed."]
    assert (result.certificates, list(result.left_out)) == (2 - len(left_out), left_out)
    assert fetch(world.start().services, 1) == fine


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda rows: rows.__setitem__(0, (0, rows[0][1], b"nonsense")), Malformed, "cas CA cannot be read"),
        (lambda rows: rows.__setitem__(0, (0, b"nonsense", rows[0][2])), Malformed, "cas CA cannot be read"),
        (lambda rows: rows.__setitem__(0, (0, rows[1][1], rows[0][2])), Malformed, "key of a cas CA is not that"),
        (lambda rows: rows.clear(), Malformed, "no CA in it"),
    ],
)  # fmt: skip
def test_a_ca_is_never_left_out(former: FormerDatabase, move, world: World, spoil, error, said) -> None:
    former.add_ca("cas", age=PERIOD)
    former.add_ca("cas", number=1)
    spoil(former.rows["casca"])
    with pytest.raises(error, match=said):
        move()
    assert world.start().services.keyring.snapshot().cas == ()


def test_another_address_and_too_long_lives(former: FormerDatabase, world: World) -> None:
    former.add_all_cas()
    legacy = read_dump([former.dump()])
    world.start()
    with pytest.raises(NotAcceptable, match="3 periods"):
        take_over(world._open[-1], legacy, services(validity=timedelta(days=200)), now=world.clock())
    elsewhere = replace(POLICY, netloc=NetLoc.parse("other.example.com"))
    with pytest.raises(ConfigError, match="address"):
        take_over(world._open[-1], legacy, elsewhere, now=world.clock())
    assert world.start().services.keyring.snapshot().cas == ()


def test_two_requests_with_one_id(former: FormerDatabase, move, world: World, make_csr) -> None:
    former.add_all_cas()
    former.add_request("cas", 5, make_csr("one"))
    former.add_request("cau", 5, make_csr("two"))
    with pytest.raises(Malformed, match="id 5"):
        move()
    assert world.start().services.requests.pending() == []


def test_a_serial_that_is_there_twice(world: World, former: FormerDatabase) -> None:
    former.add_all_cas()
    former.revoke("cas", "5")
    former.revoke("cas", "05")
    world.start()
    with pytest.raises(StoreError):
        take_over(world._open[-1], read_dump([former.dump()]), POLICY, now=world.clock())


def test_the_same_out_of_a_dump(world: World, former: FormerDatabase, make_csr) -> None:
    former.add_all_cas()
    former.add_request("cas", 5, make_csr("waits"))
    world.start()
    # A backup does not have to fit: a rehearsal needs no configuration.
    result = take_over(world._open[-1], read_dump([former.dump()]), None, now=world.clock())
    assert (result.cas, result.pending) == (3, 1)
    assert len(world.start().context(ContextName.CAS).keyring.snapshot().cas) == 1
