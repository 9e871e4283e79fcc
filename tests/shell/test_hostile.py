"""Answers that no honest server gives: what a man in the middle tries beside them is in ``tests/client``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from caucase.core import message
from caucase.core.x509 import dump_pem, load_certificates, load_crls
from tests.client.man_in_the_middle.man import never_end
from tests.client.simulator import Handler, link, new_ca

from .conftest import Desk
from .material import make_request, pair_in

DUE = ("--threshold", "100")


def answers(body: bytes, status: int = 200, **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(status, body, **headers)


@pytest.mark.parametrize(
    "location",
    ["", "one two", "-1", "1/../2", "http://127.0.0.1/1", "1" * 21, "$(id)", "1;id", "\x1b[2J"],
)
def test_ids_that_are_none(desk: Desk, location: str) -> None:
    csr = desk.folder / "www.csr.pem"
    csr.write_bytes(make_request().csr_pem)
    desk.server.misbehave["PUT", "/cas/csr"] = answers(b"", 201, Location=location)
    done = desk.run("--send-csr", csr).expect(1)
    assert done.out == ""
    assert "gave the request no id" in done.err


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"It is revoked.", "The server refused with 400: It is revoked."),
        (b"\x1b]0;title\x07red \x1b[31malert\r\nmore", "The server refused with 400: ]0;titlered [31malert."),
        (b"<html>", "The server refused with 400: it does not say why."),
        (b"", "The server refused with 400: it does not say why."),
        (b"x" * 5000, f"The server refused with 400: {'x' * 300}."),
        (b"$(id) `id` %s %n \\n", "The server refused with 400: $(id) `id` %s %n \\n."),
    ],
)
def test_what_the_server_says_is_shown_harmlessly(desk: Desk, body: bytes, shown: str) -> None:
    pair = desk.pair()
    before = pair.read_bytes()
    desk.server.misbehave["PUT", "/cas/crt/renew"] = answers(body, 400)
    said = desk.run(*DUE, "--renew-crt", pair, pair).expect(1).err
    assert said == f"caucase.sh: {shown} The server's journal may say more: journalctl -u caucased.\n"
    assert pair.read_bytes() == before


def test_redirections_are_not_followed(desk: Desk) -> None:
    desk.server.misbehave["GET", "/cas/crt/ca.crt.pem"] = answers(b"", 302, Location="/cas/crt/elsewhere")
    assert "302: it is elsewhere. Give the URL at which it is." in desk.run().expect(1).err
    assert ("GET", "/cas/crt/elsewhere") not in desk.server.seen


NEW = "/cas/crt/renew"
RENEWED: dict[str, Callable[[Desk], bytes]] = {
    "nothing": lambda desk: b"",
    "no PEM": lambda desk: b"\x30\x82" * 50,
    "cut off": lambda desk: desk.server.cas.sign(make_request().csr, make_request().csr_pem)[:-40],
    "the old one": lambda desk: dump_pem(pair_in(desk.folder / "www.pem")),
    "for another key": lambda desk: desk.server.cas.sign(make_request().csr, make_request().csr_pem),
    "the CA": lambda desk: dump_pem(desk.server.cas.cas[0].certificate),
    "a request": lambda desk: make_request().csr_pem,
    "a key": lambda desk: make_request().key_pem,
}


@pytest.mark.parametrize("what", RENEWED)
def test_renewals_that_are_none(desk: Desk, what: str) -> None:
    pair = desk.pair()
    before = pair.read_bytes()
    desk.server.misbehave["PUT", NEW] = lambda handler: handler.answer(200, RENEWED[what](desk))
    assert desk.run(*DUE, "--renew-crt", pair, pair).expect(1).err
    assert pair.read_bytes() == before
    assert not list(desk.folder.glob(".*"))


def test_a_renewal_with_a_second_certificate(desk: Desk) -> None:
    """Neither is taken."""
    pair = desk.pair()
    before = pair.read_bytes()
    desk.server.misbehave["PUT", NEW] = lambda handler: handler.answer(
        200,
        dump_pem(desk.server.cas.cas[0].certificate)
        + desk.server.cas.sign(make_request().csr, make_request().csr_pem),
    )
    assert "exactly one certificate" in desk.run(*DUE, "--renew-crt", pair, pair).expect(1).err
    assert pair.read_bytes() == before


@pytest.mark.parametrize("path", ["/cas/crt/ca.crt.pem", "/cas/crt/ca.crt.json"])
@pytest.mark.parametrize("how", ["announced", "not announced"])
def test_answers_that_are_too_large(desk: Desk, path: str, how: str) -> None:
    desk.server.misbehave["GET", path] = (
        answers(b"A" * 300_000) if how == "announced" else never_end  # type: ignore[dict-item]
    )
    assert "is larger than" in desk.run().expect(1).err
    assert desk.files() == {}


def test_answers_of_many_blocks(desk: Desk) -> None:
    """Each becomes a file: a server must not be able to use up the disk's inodes. What is there is counted at the end."""
    shims, counted = desk.folder.parent / "shims", desk.folder.parent / "counted"
    shims.mkdir()
    real = next(place / "rm" for place in map(Path, desk.sh.path.split(":")) if (place / "rm").exists())
    (shims / "rm").write_text(f'#!/bin/dash\n/usr/bin/find "$2" -type f >>{counted}\nexec {real} "$@"\n')
    (shims / "rm").chmod(0o755)
    block = b"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"
    desk.server.misbehave["GET", "/cas/crl"] = answers(block * 5000)
    desk.run(before=shims).expect(1)
    assert 4096 <= len(counted.read_text().splitlines()) < 4200
    desk.server.misbehave["GET", "/cas/crl"] = answers(desk.server.cas.crl(desk.server.cas.cas[0]) * 20)
    desk.run(before=shims).expect(0)


def test_a_chain_of_many(desk: Desk) -> None:
    """Ten successors at once are followed, the expired ones as links."""
    cas = desk.server.cas.cas
    cas[:] = [new_ca("Test CAS", age=timedelta(days=120 * (10 - number))) for number in range(10)]
    (desk.folder / "cas.crt.pem").write_bytes(dump_pem(cas[0].certificate))
    desk.run().expect(0)
    trusted = load_certificates((desk.folder / "cas.crt.pem").read_bytes())
    assert trusted == [
        ca.certificate
        for ca in cas
        if ca.certificate.not_valid_after > datetime.now(UTC).replace(tzinfo=None)
    ]
    assert 1 < len(trusted) < 10


def test_links_that_are_not_signed_right(desk: Desk) -> None:
    old, new, evil = desk.server.cas.cas[0], new_ca("Test CAS", age=timedelta(hours=-1)), new_ca("Test CAS")
    good = link(old, new).to_json()
    assert isinstance(good["payload"], str)
    cases: dict[str, dict[str, str | None]] = {
        "another digest": {**good, "digest": "sha512"},
        "an unknown digest": {**good, "digest": "md5"},
        "a digest that is an option": {**good, "digest": "-sign"},
        "no signature": {**good, "signature": ""},
        "no base64": {**good, "signature": "!!!"},
        "a payload with a space": {**good, "payload": good["payload"] + " "},
        "another CA's signature": {**good, "signature": link(evil, new).to_json()["signature"]},
        "another CA": {**link(old, evil).to_json(), "payload": good["payload"]},
        "not signed": {"payload": good["payload"], "digest": None},
        "a key of its own": link(evil, new).to_json(),
    }  # fmt: skip
    desk.run().expect(0)
    before = (desk.folder / "cas.crt.pem").read_bytes()
    for name, one in cases.items():
        desk.server.misbehave["GET", "/cas/crt/ca.crt.json"] = answers(json.dumps([one]).encode())
        code = desk.run().code
        # A link from a CA that is not trusted, to one that is not: it says nothing.
        assert code == (0 if name == "a key of its own" else 1), name
        assert (desk.folder / "cas.crt.pem").read_bytes() == before, name
    desk.server.misbehave["GET", "/cas/crt/ca.crt.json"] = answers(json.dumps([good]).encode())
    desk.run().expect(0)
    assert load_certificates((desk.folder / "cas.crt.pem").read_bytes()) == [old.certificate, new.certificate]


def test_a_successor_that_is_no_ca(desk: Desk) -> None:
    """Not even the genuine CA can make one of a certificate that it has issued."""
    old = desk.server.cas.cas[0]
    made = make_request(name="CA:TRUE")
    payload = {
        "old_pem": dump_pem(old.certificate).decode(),
        "new_pem": desk.server.cas.sign(made.csr, made.csr_pem).decode(),
    }
    desk.server.misbehave["GET", "/cas/crt/ca.crt.json"] = answers(
        json.dumps([message.sign(payload, old.key).to_json()]).encode()
    )
    assert "is not one" in desk.run().expect(1).err
    assert desk.files() == {}


@pytest.mark.parametrize("damage", ["cut off", "damaged"])
def test_a_damaged_ca_file_is_no_first_contact(desk: Desk, damage: str) -> None:
    desk.run().expect(0)
    path = desk.folder / "cas.crt.pem"
    data = path.read_bytes()
    path.write_bytes(data[:-40] if damage == "cut off" else data.replace(b"\nMII", b"\nAAA", 1))
    before = path.read_bytes()
    assert "put back the whole" in desk.run().expect(1).err
    assert path.read_bytes() == before


def test_a_damaged_list_is_replaced(desk: Desk) -> None:
    desk.run().expect(0)
    path = desk.folder / "cas.crl.pem"
    path.write_bytes(path.read_bytes()[:-40])
    desk.run().expect(0)
    assert len(load_crls(path.read_bytes())) == 1


@pytest.mark.parametrize("kept", ["file", "folder"])
def test_an_old_list_is_refused(desk: Desk, kept: str) -> None:
    paths = ("--crl", "lists" if kept == "folder" else "cas.crl.pem")
    authority = desk.server.cas
    for authority.number in (9, 10, 255, 256):
        desk.run(*paths).expect(0)
    before = desk.files()
    for authority.number in (255, 10, 9, 0):
        assert "is older than the one that is here" in desk.run(*paths).expect(1).err
        assert desk.files() == before
    authority.number = 257
    desk.run(*paths).expect(0)


def test_the_system_s_authorities_are_not_trusted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever openssl would find them: a certificate of one of them is not taken for one of ours."""
    evil = new_ca("Test CAS")
    store = desk.folder.parent / "system"
    store.mkdir()
    (store / "evil.pem").write_bytes(dump_pem(evil.certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(store / "evil.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(store))
    pair = desk.pair()
    genuine = desk.server.cas.cas[0]
    desk.run().expect(0)

    def renewed(handler: Handler) -> None:
        csr_pem = json.loads(json.loads(handler.body)["payload"])["renew_csr_pem"].encode()
        desk.server.cas.cas[0] = evil
        try:
            handler.answer(200, desk.server.cas.sign(pair_in(pair), csr_pem))
        finally:
            desk.server.cas.cas[0] = genuine

    desk.server.misbehave["PUT", NEW] = renewed
    assert (
        "not signed by a CA that is trusted here" in desk.run(*DUE, "--renew-crt", pair, pair).expect(1).err
    )
