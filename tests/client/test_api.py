"""The protocol as methods: what a client sends, what it makes of good answers and of bad ones, and whom it talks to."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from caucase.client import Client, Mode, load_pair, make_request
from caucase.core import message
from caucase.core.spki import spki
from caucase.core.x509 import Serial, dump_pem, public_key
from caucase.errors import (
    CaucaseError,
    Malformed,
    NotAuthenticated,
    NotFound,
    ServerRefused,
    StillPending,
    Unreachable,
    Untrusted,
)

from .simulator import Handler, Simulator, new_ca, new_https_ca, new_key


def _csr(name: str = "www") -> x509.CertificateSigningRequest:
    return make_request(new_key(), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), [])


def _user(server: Simulator, user_key: Path | None, **options: bool) -> Client:
    trusted = [ca.certificate for ca in server.cas.cas]
    with Client(server.url) as client:
        return client.over_https(user_key=user_key, trusted=trusted, now=datetime.now(UTC), **options)


def test_life_of_a_request(server: Simulator, folder: Path) -> None:
    csr = _csr()
    with Client(server.url) as client, _user(server, server.user(folder / "me.pem")) as user:
        assert user.verified
        csr_id = client.put_csr(csr)
        assert client.get_csr(csr_id) == csr
        with pytest.raises(StillPending):
            client.get_crt(csr_id)
        assert [(item.csr_id, item.pem) for item in user.pending()] == [(csr_id, dump_pem(csr))]
        user.sign(csr_id)
        assert user.pending() == []
        certificate = client.get_crt(csr_id)
        assert spki(public_key(certificate)) == spki(public_key(csr))
        with pytest.raises(ServerRefused):
            user.sign(csr_id)


@pytest.mark.parametrize(
    ("more", "received_at", "requested_from"),
    [
        ({}, None, ""),  # caucase 0.9
        (
            {"received_at": "2030-01-01T00:00:00Z", "requested_from": "192.0.2.1", "unheard_of": [1]},
            datetime(2030, 1, 1, tzinfo=UTC),
            "192.0.2.1",
        ),
        ({"received_at": None, "requested_from": None}, None, ""),
    ],
)
def test_where_and_when(
    server: Simulator,
    folder: Path,
    more: dict[str, object],
    received_at: datetime | None,
    requested_from: str,
) -> None:
    body = json.dumps([{"id": "1", "csr": "x", **more}]).encode()
    server.misbehave["GET", "/cas/csr"] = lambda handler: handler.answer(200, body)
    with _user(server, server.user(folder / "me.pem")) as client:
        [found] = client.pending()
    assert (found.received_at, found.requested_from) == (received_at, requested_from)


def test_template_and_rejection(server: Simulator, folder: Path) -> None:
    with Client(server.url) as client, _user(server, server.user(folder / "me.pem")) as user:
        one, two = client.put_csr(_csr("one")), client.put_csr(_csr("two"))
        user.sign_with(one, _csr("granted"))
        assert client.get_crt(one).subject.rfc4514_string() == "CN=granted"
        user.reject(two)
        with pytest.raises(NotFound):
            client.get_crt(two)


def test_revocation(server: Simulator, folder: Path) -> None:
    pair = load_pair(server.user(folder / "a.pem", authority="cas"), folder / "a.pem")
    other = load_pair(server.user(folder / "b.pem", authority="cas"), folder / "b.pem")
    with Client(server.url) as client, _user(server, server.user(folder / "me.pem")) as user:
        client.revoke(pair.certificate, pair.key)
        user.revoke_as_user(other.certificate)
        user.revoke_serial(Serial(7))
        (crl,) = client.crls()
        assert {entry.serial_number for entry in crl} == {
            pair.certificate.serial_number,
            other.certificate.serial_number,
            7,
        }
        with pytest.raises(ServerRefused, match="already") as refusal:
            client.revoke(pair.certificate, pair.key)
        assert refusal.value.status == 409


def test_mode_chooses_the_authority(server: Simulator) -> None:
    with Client(server.url, mode=Mode.USER) as client:
        assert client.ca_certificate() == server.cau.cas[0].certificate
    with Client(server.url) as client:
        assert client.ca_certificate() == server.cas.cas[0].certificate


USER_ACTIONS: list[Callable[[Client], object]] = [
    lambda client: client.pending(),
    lambda client: client.sign("1"),
    lambda client: client.sign_with("1", _csr()),
    lambda client: client.reject("1"),
    lambda client: client.revoke_serial(Serial(1)),
]


@pytest.mark.parametrize("action", USER_ACTIONS)
def test_users_only(server: Simulator, action: Callable[[Client], object]) -> None:
    """Nothing of it is even sent without a user's key."""
    with Client(server.url) as client, pytest.raises(NotAuthenticated):
        action(client)
    with _user(server, None) as client, pytest.raises(NotAuthenticated):
        action(client)
    assert {path for _, path in server.seen} <= {"/cas/crt/https-ca.json"}


@pytest.mark.parametrize(
    "csr_id", ["", "x", "-1", "1/2", "../csr", "1" * 21, "\N{ARABIC-INDIC DIGIT ONE}", "1\n"]
)
def test_id_that_is_none(server: Simulator, csr_id: str) -> None:
    with Client(server.url) as client:
        for action in (client.get_crt, client.get_csr):
            with pytest.raises(Malformed):
                action(csr_id)
    assert server.seen == []


GARBAGE = [
    b"",
    b"\xff\xfe\x00",
    b"<html></html>",
    b"{}",
    b"[1]",
    b"[" * 100_000,
    b'[{"payload": 1, "digest": null}]',
    b'[{"id": "x", "csr": ""}]',
    b'[{"id": "1", "csr": "", "received_at": "soon"}]',
    b'[{"id": "1", "csr": "", "requested_from": 1}]',
    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
]
READS: list[tuple[str, Callable[[Client], object]]] = [
    ("/cas/crt/ca.crt.pem", lambda client: client.ca_certificate()),
    ("/cas/crt/ca.crt.json", lambda client: client.ca_chain()),
    ("/cas/crt/https-ca.json", lambda client: client.https_ca()),
    ("/cas/csr/1", lambda client: client.get_csr("1")),
    ("/cas/crt/1", lambda client: client.get_crt("1")),
    ("/cas/csr", lambda client: client.pending()),
]


@pytest.mark.parametrize(("path", "action"), READS, ids=[path for path, _ in READS])
@pytest.mark.parametrize("body", GARBAGE, ids=[str(body[:20]) for body in GARBAGE])
def test_garbage(
    server: Simulator, folder: Path, body: bytes, path: str, action: Callable[[Client], object]
) -> None:
    with _user(server, server.user(folder / "me.pem")) as client:
        server.misbehave["GET", path] = lambda handler: handler.answer(200, body)
        with pytest.raises(Unreachable, match="caucased"):
            action(client)


@pytest.mark.parametrize("location", ["", "x", "/cas/csr/1", "-1", "9" * 21])
def test_location_that_is_no_id(server: Simulator, location: str) -> None:
    server.misbehave["PUT", "/cas/csr"] = lambda handler: handler.answer(201, Location=location)
    with Client(server.url) as client, pytest.raises(Unreachable):
        client.put_csr(_csr())


# Whom a client talks to over HTTPS.


@pytest.mark.parametrize("status", [400, 404])
def test_server_without_a_published_https_ca(server: Simulator, folder: Path, status: int) -> None:
    server.misbehave["GET", "/cas/crt/https-ca.json"] = lambda handler: handler.answer(status)
    me = server.user(folder / "me.pem")
    with pytest.raises(Untrusted, match="does not publish"):
        _user(server, me)
    with _user(server, me, require_https_ca=False) as client:
        assert not client.verified
        assert client.pending() == []


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_any_other_refusal_is_no_excuse(server: Simulator, folder: Path, status: int) -> None:
    server.misbehave["GET", "/cas/crt/https-ca.json"] = lambda handler: handler.answer(status)
    with pytest.raises(ServerRefused):
        _user(server, server.user(folder / "me.pem"), require_https_ca=False)


def test_garbage_is_no_excuse(server: Simulator, folder: Path) -> None:
    for body in (
        b"",
        b"{}",
        message.null({"https_ca_pem": ""}).dump(),
        message.sign({}, server.cas.cas[0].key).dump(),
    ):
        server.misbehave["GET", "/cas/crt/https-ca.json"] = lambda handler, body=body: handler.answer(
            200, body
        )
        with pytest.raises(CaucaseError):
            _user(server, server.user(folder / "me.pem"), require_https_ca=False)


def test_https_ca_signed_by_a_stranger(server: Simulator, folder: Path) -> None:
    stranger = new_https_ca()
    server.publish(stranger, new_ca("Test CAS"))
    server.present(stranger)
    with pytest.raises(Untrusted, match="not signed"):
        _user(server, server.user(folder / "me.pem"), require_https_ca=False)


def test_https_certificate_of_another_ca(server: Simulator, folder: Path) -> None:
    """Somebody between us and the server: nothing is sent, although the HTTPS CA that was published is right."""
    server.present(new_https_ca())
    with _user(server, server.user(folder / "me.pem"), require_https_ca=False) as client:
        for action in USER_ACTIONS:
            with pytest.raises(Untrusted, match="cannot be trusted"):
                action(client)
    assert server.seen == [("GET", "/cas/crt/https-ca.json")]


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost"])
def test_https_certificate_of_another_host(server: Simulator, folder: Path, host: str) -> None:
    other = new_https_ca(host)
    server.publish(other, server.cas.cas[0])
    server.present(other, host)
    with (
        _user(server, server.user(folder / "me.pem")) as client,
        pytest.raises(Untrusted, match=r"127\.0\.0\.1"),
    ):
        client.pending()


def test_host_name_is_verified_as_well(server: Simulator, folder: Path) -> None:
    by_name = new_https_ca("localhost")
    server.publish(by_name, server.cas.cas[0])
    server.present(by_name, "localhost")
    trusted = [server.cas.cas[0].certificate]
    with Client(f"http://localhost:{server.port}") as client:
        me = server.user(folder / "me.pem")
        with client.over_https(user_key=me, trusted=trusted, now=datetime.now(UTC)) as user:
            assert user.pending() == []


def test_user_of_another_server(server: Simulator, folder: Path) -> None:
    server.cau.cas.append(new_ca("Test CAU"))  # which the listener does not know
    with (
        _user(server, server.user(folder / "me.pem")) as client,
        pytest.raises((NotAuthenticated, Unreachable)),
    ):
        client.pending()


@pytest.mark.parametrize("close", ["cleanly", "with a reset"])
def test_connection_that_is_closed_may_mean_the_certificate(
    server: Simulator, folder: Path, close: str
) -> None:
    """asyncio drops the alert; without a user, nothing is said of one."""

    def closes(handler: Handler) -> None:
        handler.close_connection = True
        if close == "with a reset":
            handler.reset()

    server.misbehave["GET", "/cas/csr"] = closes
    me = server.user(folder / "me.pem")
    with (
        _user(server, me) as client,
        pytest.raises(Unreachable, match=r"user's certificate\. .* not revoked\?"),
    ):
        client.pending()
    server.misbehave["GET", "/cas/crl"] = closes
    with _user(server, None) as client, pytest.raises(Unreachable) as error:
        client.crls()
    assert "user" not in str(error.value)


def test_user_key_that_is_not_good(server: Simulator, folder: Path) -> None:
    me, other = server.user(folder / "me.pem"), server.user(folder / "other.pem")
    mine, theirs = me.read_text(), other.read_text()
    cut = mine.index("-----BEGIN CERTIFICATE")
    for text in ("", mine[:cut], mine[cut:], mine[:cut] + theirs[theirs.index("-----BEGIN CERTIFICATE") :]):
        me.write_text(text)
        with pytest.raises(Malformed, match=r"me\.pem"):
            _user(server, me)
    with pytest.raises(FileNotFoundError):
        _user(server, folder / "missing.pem")
    assert server.seen == []


def test_pending_requests_are_what_their_senders_wrote(server: Simulator, folder: Path) -> None:
    entry = {"id": "12", "csr": "no request at all \x1b"}
    with _user(server, server.user(folder / "me.pem")) as user:
        server.misbehave["GET", "/cas/csr"] = lambda handler: handler.answer(
            200, json.dumps([entry]).encode()
        )
        (request,) = user.pending()
    assert (request.csr_id, request.pem) == ("12", b"no request at all \x1b")
