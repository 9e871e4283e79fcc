"""What both servers answer to requests that are wrong; where they differ on purpose, the table says so.

Whatever came in, nothing is stored; and this project's server says in one sentence what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

import pytest

from .material import revoked_serials, tampered
from .servers import Server
from .wire import JSON, PKCS10, Answer, message, null_message, pending, request, signed_message
from .work import SharedWork, assert_one_sentence

TEXT = {"Content-Type": "text/plain"}
JSON_UTF8 = {"Content-Type": "application/json; charset=utf-8"}


class Caller(Enum):
    """How a request comes in."""

    HTTP = auto()
    HTTPS = auto()
    USER = auto()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A wrong request, and the status that each server answers."""

    name: str
    request: str
    body: Callable[[SharedWork], bytes] | None = None
    headers: dict[str, str] | None = None
    caller: Caller = Caller.HTTP
    ours: int
    peer: int

    def send(self, server: Server, user: Path, work: SharedWork) -> Answer:
        method, path = self.request.split()
        body = self.body(work) if self.body else None
        where = path.format(pending=work.pending_id, signed=work.signed_id)
        tls, client = self.caller is Caller.HTTPS, user if self.caller is Caller.USER else None
        return request(server, method, where, body, self.headers, tls=tls, user=client)


def _same(name: str, asked: str, status: int, **more: object) -> Case:
    return Case(name=name, request=asked, ours=status, peer=status, **more)  # type: ignore[arg-type]


def _json(name: str, action: str, body: bytes, *, peer: int) -> Case:
    asked = f"PUT /cas/crt/{action}"
    return Case(
        name=f"{action}-{name}", request=asked, body=lambda _: body, headers=JSON, ours=400, peer=peer
    )


def _signed(name: str, action: str, payload: Callable[[SharedWork], dict[str, object]], *, peer: int) -> Case:
    """A message signed with the service's key, as it should be, with something wrong inside."""
    return Case(
        name=f"{action}-{name}",
        request=f"PUT /cas/crt/{action}",
        body=lambda work: signed_message(payload(work), work.service.key_path),
        headers=JSON,
        ours=400,
        peer=peer,
    )


def _renewal(work: SharedWork, **changed: object) -> dict[str, object]:
    right = {"crt_pem": work.crt_pem.decode(), "renew_csr_pem": work.spare.csr_pem.decode()}
    return {**right, **changed}


REQUESTS = [
    _same("csr-garbage", "PUT /cas/csr", 400, body=lambda _: b"hello"),
    _same("csr-empty", "PUT /cas/csr", 400, body=lambda _: b""),
    _same("csr-missing", "PUT /cas/csr", 400),
    _same("csr-not-ascii", "PUT /cas/csr", 400, body=lambda _: b"\xff\xfe"),
    _same("csr-is-certificate", "PUT /cas/csr", 400, body=lambda work: work.crt_pem),
    _same("csr-bad-base64", "PUT /cas/csr", 400, body=lambda work: work.spare.csr_pem.replace(b"M", b"!")),
    _same("csr-in-cau-garbage", "PUT /cau/csr", 400, body=lambda _: b"hello"),
    Case(
        name="csr-wrong-signature",
        request="PUT /cas/csr",
        body=lambda work: tampered(work.spare.csr_pem),
        ours=400,
        peer=500,
    ),
    Case(
        name="user-csr-wrong-signature",
        request="PUT /cau/csr",
        body=lambda work: tampered(work.spare.csr_pem),
        ours=400,
        peer=500,
    ),
]

UNKNOWN = [
    _same("no-such-context", "GET /nope", 404),
    _same("no-such-collection", "GET /cas/nope", 404),
    _same("https-authority", "GET /http_cas", 404),
    _same("below-a-request", "GET /cas/csr/{pending}/more", 404),
    _same("crl-not-a-number", "GET /cas/crl/abc", 404),
    _same("crl-negative", "GET /cas/crl/-5", 404),
    _same("crl-unknown", "GET /cas/crl/5", 404),
    _same("csr-unknown", "GET /cas/csr/5", 404),
    _same("csr-not-a-number", "GET /cas/csr/abc", 400),
    _same("csr-of-other-context", "GET /cau/csr/{pending}", 404),
    _same("crt-unknown", "GET /cas/crt/5", 404),
    _same("crt-not-a-number", "GET /cas/crt/abc", 400),
    _same("crt-pending", "GET /cas/crt/{pending}", 404),
    _same("sign-unknown", "PUT /cas/crt/5", 404, caller=Caller.USER),
    _same("sign-not-a-number", "PUT /cas/crt/abc", 400, caller=Caller.USER),
    _same("sign-signed", "PUT /cas/crt/{signed}", 404, caller=Caller.USER),
    _same("reject-unknown", "DELETE /cas/csr/5", 404, caller=Caller.USER),
    _same("reject-not-a-number", "DELETE /cas/csr/abc", 400, caller=Caller.USER),
    _same("reject-signed", "DELETE /cas/csr/{signed}", 404, caller=Caller.USER),
    _same("sign-in-other-context", "PUT /cau/crt/{pending}", 404, caller=Caller.USER),
]

TEMPLATES = [
    Case(
        name=f"template-{name}",
        request="PUT /cas/crt/{pending}",
        body=body,
        headers=headers,
        caller=Caller.USER,
        ours=400,
        peer=peer,
    )
    for name, body, headers, peer in (
        ("wrong-signature", lambda work: tampered(work.spare.csr_pem), PKCS10, 500),
        ("garbage", lambda _: b"hello", PKCS10, 500),
        ("no-type", lambda work: work.spare.csr_pem, None, 400),
        ("wrong-type", lambda work: work.spare.csr_pem, TEXT, 400),
        ("json-type", lambda work: work.spare.csr_pem, JSON, 400),
    )
]

MESSAGES = [
    case
    for action in ("renew", "revoke")
    for case in (
        _json("not-json", action, b"{", peer=400),
        _json("not-utf8", action, b"\xff", peer=400),
        _json("empty-object", action, b"{}", peer=500),
        _json("list", action, b"[]", peer=500),
        _json("number", action, b"1", peer=500),
        _json("null", action, b"null", peer=500),
        _json("text", action, b'"text"', peer=500),
        _json("payload-number", action, b'{"payload":1,"digest":"sha256","signature":"eA=="}', peer=500),
        _json("signature-number", action, message("{}", digest="sha256", signature=1), peer=500),
        _json("signature-not-base64", action, message("{}", digest="sha256", signature="?"), peer=500),
        _json("no-signature", action, message("{}", digest="sha256"), peer=500),
        _json("digest-md5", action, message("{}", digest="md5", signature="eA=="), peer=500),
        _json("digest-sha1", action, message("{}", digest="sha1", signature="eA=="), peer=500),
        _json("digest-number", action, message("{}", digest=1, signature="eA=="), peer=500),
        _json("payload-list", action, message("[]", digest="sha256", signature="eA=="), peer=500),
        _json("deep", action, b"[" * 100_000, peer=500),
        _same(f"{action}-no-type", f"PUT /cas/crt/{action}", 400, body=lambda _: b"{}"),
        _same(f"{action}-wrong-type", f"PUT /cas/crt/{action}", 400, body=lambda _: b"{}", headers=TEXT),
        _signed("payload-empty", action, lambda _: {}, peer=500),
    )
]

RENEWALS = [
    _signed("without-csr", "renew", lambda work: {"crt_pem": work.crt_pem.decode()}, peer=500),
    _signed("crt-garbage", "renew", lambda work: _renewal(work, crt_pem="hello"), peer=500),
    _signed("crt-number", "renew", lambda work: _renewal(work, crt_pem=5), peer=500),
    _signed("csr-garbage", "renew", lambda work: _renewal(work, renew_csr_pem="hello"), peer=400),
    _signed(
        "csr-wrong-signature",
        "renew",
        lambda work: _renewal(work, renew_csr_pem=tampered(work.spare.csr_pem).decode()),
        peer=500,
    ),
    _same(
        "renew-foreign-crt",
        "PUT /cas/crt/renew",
        400,
        body=lambda work: signed_message(_renewal(work, crt_pem=work.foreign_crt_pem.decode()), work.foreign),
        headers=JSON,
    ),
    Case(
        name="renew-wrong-key",
        request="PUT /cas/crt/renew",
        body=lambda work: signed_message(_renewal(work), work.spare.key_path),
        headers=JSON,
        ours=400,
        peer=500,
    ),
    _same(
        "renew-in-other-context",
        "PUT /cau/crt/renew",
        400,
        body=lambda work: signed_message(_renewal(work), work.service.key_path),
        headers=JSON,
    ),
]

REVOCATIONS = [
    _same(
        "revoke-foreign-crt",
        "PUT /cas/crt/revoke",
        400,
        body=lambda work: signed_message({"revoke_crt_pem": work.foreign_crt_pem.decode()}, work.foreign),
        headers=JSON,
    ),
    _signed("crt-garbage", "revoke", lambda _: {"revoke_crt_pem": "hello"}, peer=500),
    _signed("serial-signed", "revoke", lambda _: {"revoke_serial": 77}, peer=500),
    Case(
        name="revoke-wrong-key",
        request="PUT /cas/crt/revoke",
        body=lambda work: signed_message({"revoke_crt_pem": work.crt_pem.decode()}, work.spare.key_path),
        headers=JSON,
        ours=400,
        peer=500,
    ),
    _same(
        "revoke-foreign-as-user",
        "PUT /cas/crt/revoke",
        400,
        body=lambda work: null_message({"revoke_crt_pem": work.foreign_crt_pem.decode()}),
        headers=JSON,
        caller=Caller.USER,
    ),
    Case(
        name="revoke-nothing-as-user",
        request="PUT /cas/crt/revoke",
        body=lambda _: null_message({}),
        headers=JSON,
        caller=Caller.USER,
        ours=400,
        peer=500,
    ),
    Case(
        name="revoke-list-as-user",
        request="PUT /cas/crt/revoke",
        body=lambda _: message("[]", digest=None),
        headers=JSON,
        caller=Caller.USER,
        ours=400,
        peer=500,
    ),
]

UNAUTHENTICATED = [
    _same(f"{name}-{caller.name}", asked, 401, caller=caller, **more)
    for caller in (Caller.HTTP, Caller.HTTPS)
    for name, asked, more in (
        ("list", "GET /cas/csr", {}),
        ("list-users", "GET /cau/csr", {}),
        ("sign", "PUT /cas/crt/{pending}", {}),
        ("reject", "DELETE /cas/csr/{pending}", {}),
        (
            "revoke-null",
            "PUT /cas/crt/revoke",
            {"body": lambda work: null_message({"revoke_crt_pem": work.crt_pem.decode()}), "headers": JSON},
        ),
        (
            "revoke-serial",
            "PUT /cas/crt/revoke",
            {"body": lambda _: null_message({"revoke_serial": 77}), "headers": JSON},
        ),
    )
]

CASES = REQUESTS + UNKNOWN + TEMPLATES + MESSAGES + RENEWALS + REVOCATIONS + UNAUTHENTICATED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_request(server: Server, user: Path, work: SharedWork, tmp_path: Path, case: Case) -> None:
    context = "cau" if " /cau/" in case.request else "cas"
    before = _stored(server, context, user, tmp_path)
    answer = case.send(server, user, work)
    assert answer.status == (case.ours if server.ours else case.peer), answer
    assert answer.headers["Date"]
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"] == "transport"
    if server.ours:
        assert_one_sentence(answer)
    assert _stored(server, context, user, tmp_path) == before


@pytest.mark.parametrize("server", ["ours"], indirect=True)
@pytest.mark.parametrize("serial", ["5", 5.5, None, True, [], -1, 2**200], ids=repr)
def test_serial_that_is_none(server: Server, user: Path, tmp_path: Path, serial: object) -> None:
    """The peer stores these, and from then on can neither make a revocation list nor check a certificate."""
    before = _stored(server, "cas", user, tmp_path)
    body = null_message({"revoke_serial": serial})
    assert_one_sentence(request(server, "PUT", "/cas/crt/revoke", body, JSON, user=user).expect(400))
    assert _stored(server, "cas", user, tmp_path) == before


def _stored(server: Server, context: str, user: Path, folder: Path) -> tuple[dict[str, str], set[int]]:
    """All that a request can leave in a context: what waits and what is revoked."""
    lists = folder / "crl.pem"
    lists.write_bytes(request(server, "GET", f"/{context}/crl").expect(200).body)
    return pending(server, context, user), revoked_serials(lists)
