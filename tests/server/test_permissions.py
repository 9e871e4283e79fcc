"""Who may do what: every route, asked for by every kind of caller.

The table is written by hand, so that a route which forgets to ask who calls is noticed; a route without a row is an
error. A failed handshake is the answer to all that a stranger asks.
"""

from __future__ import annotations

import http.client
import itertools
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from cryptography import x509

from caucase.core.x509 import authority_key_id
from caucase.server.routes import ROUTES
from caucase.store import Database

from .callers import KNOWN, PAGE, Caller, Office, everybody
from .harness import running
from .material import make, null
from .wire import JSON, PKCS10, Answer

# Columns: nobody over HTTP, and over HTTPS; somebody whose certificate was revoked, or has ended since TLS looked at it; a
# user; a user's browser on our own page, on one that is listed or has consent; the browser of nobody on one with consent; a
# user's on one that has none yet, and on one that was denied or has no origin. "ask": 401 that says where to ask for consent.
TABLE = """\
                                    http https out  user own known page asks denied
GET    /                            200  200   200  200  200 200   200  200  200
GET    /cors                        302  200   200  200  200 403   403  403  403
POST   /cors                        403  403   403  403  302 403   403  403  403
GET    /ui                          302  302   302  302  302 403   403  403  403
GET    /ui/                         302  200   200  200  200 403   403  403  403
GET    /ui/trust                    302  200   200  200  200 403   403  403  403
GET    /ui/ca/{key_id}.pem          200  200   200  200  200 200   200  ask  403
GET    /ui/requests                 302  401   401  200  200 403   403  403  403
GET    /ui/{c}/requests/{csr_id}    302  401   401  200  200 403   403  403  403
GET    /ui/{c}/changes/{csr_id}     302  401   401  200  200 403   403  403  403
POST   /ui/{c}/changes/{csr_id}     403  403   403  403  200 403   403  403  403
GET    /ui/{c}/issued               302  401   401  200  200 403   403  403  403
GET    /ui/{c}/issued/{serial}      302  401   401  200  200 403   403  403  403
GET    /ui/{c}/record               302  401   401  200  200 403   403  403  403
GET    /ui/consents                 302  200   200  200  200 403   403  403  403
POST   /ui/consents                 403  403   403  403  303 403   403  403  403
GET    /ui/static/{name}            302  200   200  200  200 403   403  403  403
GET    /{c}                         200  200   200  200  200 200   200  200  200
GET    /{c}/crl                     200  200   200  200  200 200   200  ask  403
GET    /{c}/crl/{authority_key_id}  200  200   200  200  200 200   200  ask  403
GET    /{c}/crl/{authority_key_id}.der \
                                    200  200   200  200  200 200   200  ask  403
PUT    /{c}/csr                     201  201   201  201  201 201   201  ask  403
GET    /{c}/csr                     401  401   401  200  200 200   401  ask  403
GET    /{c}/csr/{csr_id}            200  200   200  200  200 200   200  ask  403
DELETE /{c}/csr/{csr_id}            401  401   401  204  204 204   401  ask  403
GET    /{c}/crt                     401  401   401  200  200 200   401  ask  403
GET    /{c}/crt/ca.crt.pem          200  200   200  200  200 200   200  ask  403
GET    /{c}/crt/ca.crt.json         200  200   200  200  200 200   200  ask  403
GET    /{c}/crt/https-ca.json       200  200   200  200  200 200   200  ask  403
PUT    /{c}/crt/renew               200  200   200  200  200 200   200  ask  403
PUT    /{c}/crt/revoke signed       204  204   204  204  204 204   204  ask  403
PUT    /{c}/crt/revoke unsigned     401  401   401  204  204 204   401  ask  403
GET    /{c}/crt/{csr_id}            200  200   200  200  200 200   200  ask  403
PUT    /{c}/crt/{crt_id}            401  401   401  204  204 204   401  ask  403
PUT    /{c}/crt/{crt_id} template   401  401   401  204  204 204   401  ask  403
"""
CONTEXTS = ("cau", "cas")
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
CALLERS = (
    "nobody over HTTP",
    "nobody over HTTPS",
    "certificate of another CA",
    "certificate of a service",
    "expired",
    "not yet valid",
    "expired since the handshake",
    "revoked before",
    "revoked in this very connection",
    "user of the old CA",
    "user of the new CA",
    "user on our own page",
    "user on our own page over HTTP",
    "user on a page that is listed",
    "user on a page with consent",
    "user on a page with the consent of nobody",
    "user on a page with the consent of another user",
    "nobody on a page with consent",
    "user on a page without consent",
    "user on a page with another's consent",
    "user on a page that was denied",
    "user on a page without origin",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """``method`` and ``path`` are a route's, ``way`` tells ways to use it apart; ``expected``: an answer for each column."""

    method: str
    path: str
    way: str
    expected: Mapping[str, str]


def rows() -> list[Row]:
    head, *lines = TABLE.splitlines()
    columns = head.split()
    found = []
    for line in lines:
        method, path, *rest = line.split()
        way, answers = " ".join(rest[: -len(columns)]), rest[-len(columns) :]
        expected = dict(zip(columns, answers, strict=True))
        found.append(Row(method=method, path=path, way=way, expected=expected))
    return found


ROWS = rows()


def of_route(path: str) -> str:
    """A full path as the table writes it."""
    return "/".join("{c}" if part in CONTEXTS else part for part in path.split("/"))


def test_every_route_has_a_row() -> None:
    """And every row is a route's."""
    routes = {(route.method, of_route(path)) for route in ROUTES for _, path in route.paths()}
    assert {(row.method, row.path) for row in ROWS} == routes


# The server and what is asked of it


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request. ``again``: what a user who asks after somebody who was allowed to is answered."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str]
    again: int | None = None


class World:
    """A server, everybody who calls it, and for each row a fresh thing to be asked for."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.callers = everybody(office)
        self.user = self.callers["user of the new CA"]
        self._numbers = itertools.count()
        self._aki = {context: self._authority_key_id(context) for context in CONTEXTS}
        self._signed = {context: office.issued(context, make("signed"))[0] for context in CONTEXTS}

    def asked(self, row: Row, context: str) -> Asked:
        """What the row is about, of a request or certificate that nobody has touched."""
        name = f"{row.path} {row.way}".strip()
        again: int | None = None
        body, headers, where = b"", {}, {"c": context, "csr_id": self._signed.get(context, "")}
        made = make(f"fresh{next(self._numbers)}")
        match row.method, name:
            case "GET", "/cors":
                return Asked(method="GET", path=f"/cors?{urlencode(_CONSENT)}", headers={})
            case "POST", "/cors":
                body, headers = urlencode({**_CONSENT, "grant": "1"}).encode(), _FORM
            case "POST", "/ui/consents":
                body, headers = urlencode({"origin": PAGE}).encode(), _FORM
            case "GET", "/ui/ca/{key_id}.pem":
                where["key_id"] = int(self._aki["cas"]).to_bytes(20, "big").hex()
            case "GET", "/ui/{c}/requests/{csr_id}" | "/ui/{c}/changes/{csr_id}":
                where["csr_id"] = self.office.submitted(context, made)
            case "POST", "/ui/{c}/changes/{csr_id}":
                where["csr_id"] = self.office.submitted(context, made)
                body, headers = b"subject=CN%3Dother", _FORM
            case "GET", "/ui/{c}/issued/{serial}":
                crt_pem = self.office.issued(context, made)[1]
                where["serial"] = f"{x509.load_pem_x509_certificate(crt_pem).serial_number:x}"
            case "GET", "/ui/static/{name}":
                where["name"] = "console.css"
            case "PUT", "/{c}/csr":
                body, headers = made.csr_pem, PKCS10
            case "DELETE", "/{c}/csr/{csr_id}":
                where["csr_id"], again = self.office.submitted(context, made), 404
            case "PUT", "/{c}/crt/{crt_id}":
                where["crt_id"], again = self.office.submitted(context, made), 404
            case "PUT", "/{c}/crt/{crt_id} template":
                where["crt_id"], again = self.office.submitted(context, made), 404
                body, headers = make("granted").csr_pem, PKCS10
            case "PUT", "/{c}/crt/renew":
                crt_pem = self.office.issued(context, made)[1].decode()
                new = make("renewed")
                body = made.signed({"crt_pem": crt_pem, "renew_csr_pem": new.csr_pem.decode()})
                headers = JSON
            case "PUT", "/{c}/crt/revoke signed" | "/{c}/crt/revoke unsigned":
                payload: dict[str, object] = {"revoke_crt_pem": self.office.issued(context, made)[1].decode()}
                body = null(payload) if row.way == "unsigned" else made.signed(payload)
                headers, again = JSON, 409
            case _:
                where["authority_key_id"] = self._aki.get(context, "")
        return Asked(
            method=row.method, path=row.path.format_map(where), body=body, headers=headers, again=again
        )

    def _authority_key_id(self, context: str) -> str:
        pem = self.office.server.client.get(f"/{context}/crt/ca.crt.pem").expect(200).body
        found = authority_key_id(x509.load_pem_x509_certificate(pem))
        assert found is not None
        return str(int.from_bytes(found, "big"))


_CONSENT = {"origin": PAGE, "return": f"{PAGE}/"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("permissions")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.clock.ahead = timedelta(days=-300)
        server.configure(
            database,
            cors_whitelist=(KNOWN,),
            user_auto_approve_count=0,
            user_max_csr=1000,
            service_max_csr=1000,
        )
        made = World(Office(server, folder))
        yield made
        for caller in made.callers.values():
            caller.close()


def outcome(answer: Callable[[], Answer]) -> str:
    """How an answer is written in the table; ``tls`` when there is none because the handshake failed."""
    try:
        got = answer()
    except (ssl.SSLError, ConnectionError, http.client.NotConnected):
        return "tls"
    challenge = got.headers.get("WWW-Authenticate", "")
    assert (got.status == 401) == bool(challenge)
    if challenge.startswith("cors url="):
        return "ask"
    assert challenge in ("", "transport")
    return str(got.status)


def contexts_of(row: Row) -> list[str]:
    """In which contexts the route is, the empty one for the root."""
    return [
        str(context or "")
        for route in ROUTES
        for context, path in route.paths()
        if (route.method, of_route(path)) == (row.method, row.path)
    ]


def expected(row: Row, caller: Caller) -> str:
    return "tls" if caller.kind == "stranger" else row.expected[caller.kind]


def ask(caller: Caller, method: str, asked: Asked) -> str:
    body = asked.body if method == asked.method else b""
    result = outcome(lambda: caller.ask(method, asked.path, body, asked.headers))
    if result == "tls":
        caller.close()
    return result


def test_the_table_is_about_everybody(world: World) -> None:
    assert tuple(world.callers) == CALLERS
    assert {caller.kind for caller in world.callers.values()} == {*ROWS[0].expected, "stranger"}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path} {row.way}".strip())
def test_who_may_do_what(world: World, row: Row, name: str) -> None:
    """What is refused has no effect: a user who asks for it afterwards is in time."""
    caller = world.callers[name]
    for context in contexts_of(row):
        asked = world.asked(row, context)
        answer = ask(caller, row.method, asked)
        assert answer == expected(row, caller), asked.path
        if asked.again is not None:
            again = world.user.ask(asked.method, asked.path, asked.body, asked.headers)
            assert again.status == (asked.again if answer == "204" else 204)


@pytest.mark.parametrize("name", CALLERS)
def test_other_methods(world: World, name: str) -> None:
    """HEAD is answered as GET is, OPTIONS to everybody; no path has a method that the table does not have."""
    caller = world.callers[name]
    by_path = {row.path: row for row in ROWS}
    for path, row in by_path.items():
        asked = world.asked(row, contexts_of(row)[0])
        known = {other.method: other for other in ROWS if other.path == path}
        if "GET" in known and path != "/cors":  # whose question is in the query
            assert ask(caller, "HEAD", asked) == expected(known["GET"], caller), path
        is_stranger = caller.kind == "stranger"
        assert ask(caller, "OPTIONS", asked) == ("tls" if is_stranger else "204"), path
        refusal = {"stranger": "tls", "asks": "ask", "denied": "403"}.get(caller.kind, "405")
        for method in METHODS:
            if method not in known and not _is_of_a_sibling(method, asked.path):
                assert ask(caller, method, asked) == refusal, f"{method} {path}"


def _is_of_a_sibling(method: str, path: str) -> bool:
    """Whether another row has that method at the very same address, where only a parameter's name differs."""
    return path.rpartition("/")[2].isdigit() and any(
        row.method == method
        and row.path.rpartition("/")[0].format(c=path.split("/")[1]) == path.rpartition("/")[0]
        for row in ROWS
        if row.path.endswith("_id}")
    )
