"""Everybody who may call a server that has run for 300 days, its user CA rolled over once: each kind, with what they hold.

The server's clock is some hours ahead of the machine's, by which OpenSSL goes: so a certificate can be good for TLS
and have expired for the server.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from caucase.authority import ContextName, Principal, RequestId
from caucase.server.cors import COOKIE

from .harness import Server
from .material import Made, foreign, make
from .wire import JSON, Answer, read

DAY = timedelta(days=1)
HOURS_AHEAD = timedelta(hours=6)
PAGE = "https://page.example"
KNOWN = "https://known.example"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_BY = Principal.local(0)


class Office:
    """The server, and the desk at which certificates are made without HTTP, so that a test speaks of its own requests only."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def submitted(self, context: str, made: Made) -> str:
        """The id of a request that waits."""
        return str(self._requests(context).submit(made.csr_pem, address="here"))

    def issued(self, context: str, made: Made) -> tuple[str, bytes]:
        """The id of a request that was signed, and the certificate."""
        request_id = RequestId(int(self.submitted(context, made)))
        self._requests(context).sign(request_id, by=_BY, address="here")
        return str(request_id), self._requests(context).certificate(request_id)

    def bundle(self, name: str, *, context: str = "cau", ahead: timedelta | None = None) -> tuple[Made, Path]:
        """Somebody's file with key and certificate, made when the server's clock was so far ``ahead``."""
        if ahead is not None:
            self.server.clock.ahead = ahead
        made = make(name)
        return made, made.bundle(self.folder / f"{name}.pem", self.issued(context, made)[1])

    def revoke(self, made: Made, crt_pem: bytes) -> None:
        message = made.signed({"revoke_crt_pem": crt_pem.decode()})
        self.server.client.ask("PUT", "/cau/crt/revoke", message, JSON).expect(204)

    def _requests(self, context: str):
        assert self.server.authority is not None
        return self.server.authority.context(ContextName(context)).requests


@dataclass(kw_only=True)
class Caller:
    """``kind``: the column of the table. ``ask`` uses one connection for everything, and opens it just once."""

    kind: str
    server: Server
    tls: bool = True
    user: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    once_connected: Callable[[], None] = lambda: None
    _connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self.server.client.connect(tls=self.tls, user=self.user)
            self._connection.connect()
            self._connection.auto_open = 0
            self.once_connected()
        self._connection.request(method, path, body, {**headers, **self.headers})
        return read(self._connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def everybody(office: Office) -> dict[str, Caller]:
    """Let the server grow old, and meet all who have to do with it on the way."""
    server, authority = office.server, office.server.authority
    assert authority is not None
    _, expired = office.bundle("expired", ahead=-300 * DAY)
    server.clock.ahead = -110 * DAY
    authority.maintain()
    _, ended = office.bundle("ended", ahead=HOURS_AHEAD / 2 - 93 * DAY)
    _, old = office.bundle("old", ahead=-50 * DAY)
    server.clock.ahead = timedelta()
    authority.maintain()
    _, new = office.bundle("new")
    _, service = office.bundle("service", context="cas")
    before, revoked = office.bundle("revoked")
    meanwhile, now_revoked = office.bundle("meanwhile")
    _, early = office.bundle("early", ahead=5 * DAY)
    server.clock.ahead = HOURS_AHEAD
    stranger, stranger_pem = foreign("stranger")
    office.revoke(before, _certificate(revoked))

    def caller(kind: str, user: Path | None = None, *, tls: bool = True, **headers: str) -> Caller:
        return Caller(kind=kind, server=server, user=user, tls=tls, headers=headers)

    def revoke_meanwhile() -> None:
        """The certificate is good when the connection begins, and is not any more when it is first used for something."""
        connection = revoked_meanwhile._connection
        assert connection is not None
        connection.request("GET", "/cas/csr")
        read(connection).expect(200)
        office.revoke(meanwhile, _certificate(now_revoked))

    revoked_meanwhile = caller("out", now_revoked)
    revoked_meanwhile.once_connected = revoke_meanwhile
    consent, refusal = (f"{COOKIE}={_consent(server, allowed, user=new)}" for allowed in (True, False))
    nobodys = f"{COOKIE}={_consent(server, True)}"
    return {
        "nobody over HTTP": caller("http", tls=False),
        "nobody over HTTPS": caller("https"),
        "certificate of another CA": caller(
            "stranger", stranger.bundle(office.folder / "foreign.pem", stranger_pem)
        ),
        "certificate of a service": caller("stranger", service),
        "expired": caller("stranger", expired),
        "not yet valid": caller("stranger", early),
        "expired since the handshake": caller("out", ended),
        "revoked before": caller("out", revoked),
        "revoked in this very connection": revoked_meanwhile,
        "user of the old CA": caller("user", old),
        "user of the new CA": caller("user", new),
        "user on our own page": caller("own", new, Origin=server.https_origin),
        "user on our own page over HTTP": caller("asks", new, Origin=server.origin),
        "user on a page that is listed": caller("known", new, Origin=KNOWN),
        "user on a page with consent": caller("known", new, Origin=PAGE, Cookie=consent),
        "user on a page with the consent of nobody": caller("asks", new, Origin=PAGE, Cookie=nobodys),
        "user on a page with the consent of another user": caller("asks", old, Origin=PAGE, Cookie=consent),
        "nobody on a page with consent": caller("page", Origin=PAGE, Cookie=nobodys),
        "user on a page without consent": caller("asks", new, Origin=PAGE),
        "user on a page with another's consent": caller(
            "asks", new, Origin="https://other.example", Cookie=consent
        ),
        "user on a page that was denied": caller("denied", new, Origin=PAGE, Cookie=refusal),
        "user on a page without origin": caller("denied", new, Origin="null"),
    }


def _certificate(bundle: Path) -> bytes:
    data = bundle.read_bytes()
    return data[data.index(b"-----BEGIN CERTIFICATE-----") :]


def _consent(server: Server, allowed: bool, *, user: Path | None = None) -> str:
    body = urlencode({"origin": PAGE, "return": f"{PAGE}/", "grant": str(int(allowed))}).encode()
    headers = {"Origin": server.https_origin, **_FORM}
    answer = server.client.ask("POST", "/cors", body, headers, tls=True, user=user)
    return SimpleCookie(answer.expect(302).headers["Set-Cookie"])[COOKIE].value
