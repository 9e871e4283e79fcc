"""Requests of web pages of other origins: the decision as a table, and all of it over HTTP."""

from __future__ import annotations

import json
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlencode

import pytest

from caucase.authority import Authority
from caucase.core.netloc import NetLoc
from caucase.server.cors import COOKIE, Access, Kind, Origins

from .harness import Server
from .wire import Answer, Client

if TYPE_CHECKING:
    pass

PAGE = "https://page.example"
KNOWN = "https://known.example"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


# The decision

ORIGINS = Origins.of(NetLoc(host="CA.example", port=8009), [KNOWN])
OWN_HTTP, OWN_HTTPS = "http://ca.example:8009", "https://ca.example:8010"


@pytest.mark.parametrize("consent", [None, False, True])
@pytest.mark.parametrize(
    ("origin", "kind", "access"),
    [
        (None, Kind.OPEN, Access.PLAIN),
        (None, Kind.API, Access.PLAIN),
        (None, Kind.FORM, Access.REFUSED),
        *((origin, Kind.OPEN, Access.GRANTED) for origin in (OWN_HTTP, OWN_HTTPS, KNOWN, PAGE, "null")),
        *((origin, Kind.API, Access.GRANTED) for origin in (OWN_HTTPS, KNOWN)),
        (OWN_HTTP, Kind.API, {None: Access.ASK, False: Access.REFUSED, True: Access.GRANTED}),
        ("null", Kind.API, Access.REFUSED),
        (PAGE, Kind.API, {None: Access.ASK, False: Access.REFUSED, True: Access.GRANTED}),
        (OWN_HTTPS, Kind.FORM, Access.PLAIN),
        *((origin, Kind.FORM, Access.REFUSED) for origin in (OWN_HTTP, KNOWN, PAGE, "null", "")),
        ("http://ca.example", Kind.API, {None: Access.ASK, False: Access.REFUSED, True: Access.GRANTED}),
    ],
)
def test_decision(
    origin: str | None, kind: Kind, access: Access | dict[bool | None, Access], consent: bool | None
) -> None:
    expected = access[consent] if isinstance(access, dict) else access
    assert ORIGINS.decide(origin, kind, lambda: consent, is_secure=True) is expected
    over_http = Access.GRANTED if (origin, kind) == (OWN_HTTP, Kind.API) else expected
    assert ORIGINS.decide(origin, kind, lambda: consent, is_secure=False) is over_http


@pytest.mark.parametrize(
    ("netloc", "http", "https"),
    [
        ("ca.example", "http://ca.example", "https://ca.example"),
        ("ca.example:80", "http://ca.example", "https://ca.example"),
        ("ca.example:81", "http://ca.example:81", "https://ca.example:82"),
        ("[2001:DB8::1]:8009", "http://[2001:db8::1]:8009", "https://[2001:db8::1]:8010"),
    ],
)
def test_own_origins(netloc: str, http: str, https: str) -> None:
    origins = Origins.of(NetLoc.parse(netloc), ())
    assert (origins.http, origins.https) == (http, https)


# Over HTTP


def cookie_of(answer: Answer) -> Morsel[str]:
    [header] = answer.headers.get_all("Set-Cookie", [])
    cookie = SimpleCookie(header)
    return cookie[COOKIE]


def decide(server: Server, answer: str, origin: str = PAGE, cookie: str | None = None) -> Answer:
    body = urlencode({"origin": origin, "return": f"{origin}/back?x=1", "grant": answer}).encode()
    headers = {
        "Origin": server.https_origin,
        **FORM,
        **({"Cookie": f"__Host-cors={cookie}"} if cookie else {}),
    }
    return server.client.ask("POST", "/cors", body, headers, tls=True)


def is_readable(answer: Answer, origin: str) -> bool:
    """Whether the page may read the answer."""
    names = (
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Credentials",
        "Access-Control-Expose-Headers",
    )
    values = tuple(answer.headers[name] for name in names)
    assert values in ((origin, "true", "Location, WWW-Authenticate"), (None, None, None))
    return values[0] is not None


def test_consent(server: Server) -> None:
    client = server.client
    first = client.get("/cas/crl", {"Origin": PAGE}, tls=True).expect(401)
    scheme, _, quoted = first.headers["WWW-Authenticate"].partition(" url=")
    assert scheme == "cors"
    template = unquote(quoted)
    assert template == f"{server.https_origin}/cors?origin=https%3A%2F%2Fpage.example{{&return}}"
    assert not is_readable(first, PAGE)
    assert first.sentence

    path = template.removeprefix(server.https_origin).removesuffix("{&return}")
    page = client.get(f"{path}&return={quote(PAGE + '/back?x=1', safe='')}", tls=True).expect(200)
    assert f'name="return" value="{PAGE}/back?x=1"' in page.body.decode()

    answer = decide(server, "1").expect(302)
    assert answer.headers["Location"] == f"{PAGE}/back?x=1"
    cookie = cookie_of(answer)
    assert (cookie["path"], cookie["max-age"], cookie["samesite"]) == ("/", "31536000", "None")
    assert cookie["secure"]
    assert cookie["httponly"]
    headers = {"Origin": PAGE, "Cookie": f"a=b; __Host-cors={cookie.value}"}
    for where, status in (("/cas/crl", 200), ("/cas/csr/5", 404), ("/cas/csr", 401), ("/nope", 404)):
        allowed = client.get(where, headers, tls=True).expect(status)
        assert is_readable(allowed, PAGE)
        assert allowed.headers["Vary"] == "Origin"
        assert "Set-Cookie" not in allowed.headers
    client.get("/cas/crl", {**headers, "Origin": "https://page.example:444"}, tls=True).expect(401)

    denied = cookie_of(decide(server, "0", cookie=cookie.value).expect(302))
    refused = client.get(
        "/cas/crl", {"Origin": PAGE, "Cookie": f"__Host-cors={denied.value}"}, tls=True
    ).expect(403)
    assert not is_readable(refused, PAGE)
    assert refused.sentence


@pytest.mark.parametrize("origin", [PAGE, "null", KNOWN, "nonsense"])
def test_open_to_all(client: Client, origin: str) -> None:
    for path in ("/", "/cas", "/cau"):
        for method in ("GET", "HEAD"):
            assert is_readable(client.ask(method, path, headers={"Origin": origin}).expect(200), origin)


@pytest.mark.parametrize("origin", [PAGE, "null", KNOWN])
def test_preflight(client: Client, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    for path, methods in (
        ("/cas/csr", "GET, HEAD, OPTIONS, PUT"),
        ("/cas/csr/5", "DELETE, GET, HEAD, OPTIONS"),
        ("/cors", "GET, HEAD, OPTIONS, POST"),
        ("/nope", "OPTIONS"),
    ):
        answer = client.ask("OPTIONS", path, headers=asked).expect(204)
        assert is_readable(answer, origin)
        assert answer.headers["Access-Control-Allow-Methods"] == methods
        assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type, User-Agent"


def test_origins_that_need_no_consent(server: Server, user: Path) -> None:
    for origin in (server.https_origin, KNOWN):
        answer = server.client.get("/cas/csr", {"Origin": origin}, user=user).expect(200)
        assert is_readable(answer, origin)


def test_our_own_page_over_http(server: Server, user: Path) -> None:
    """Whoever is on the way could have written it: it may use HTTP, and not the user's rights over HTTPS."""
    asked = {"Origin": server.origin}
    assert is_readable(server.client.get("/cas/crl", asked).expect(200), server.origin)
    assert not is_readable(server.client.get("/cas/csr", asked, user=user).expect(401), server.origin)


def test_origin_null(client: Client) -> None:
    assert client.get("/cas/crl", {"Origin": "null"}).expect(403).sentence


@pytest.mark.parametrize("path", ["/cas/crl", "/"])
@pytest.mark.parametrize("octets", [b"https://\xff.example", "https://ü.example".encode()])
def test_an_origin_that_is_not_ascii(client: Client, path: str, octets: bytes) -> None:
    """It could not be repeated in a header."""
    answer = client.raw(
        b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: %b\r\n\r\n" % (path.encode(), octets)
    )
    assert answer.split(b" ")[1] == b"400"


def test_cookies_that_cannot_be_read(client: Client) -> None:
    """Python refuses the name of one; then there is none."""
    client.get("/cas/crl", {"Origin": PAGE, "Cookie": "/cors=x; __Host-cors=y"}, tls=True).expect(401)


def test_malformed_cookie_is_cleared(client: Client) -> None:
    answer = client.get("/cas/crl", {"Origin": PAGE, "Cookie": "__Host-cors=nonsense"}, tls=True).expect(401)
    cookie = cookie_of(answer)
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/")


def test_stale_entry_is_removed(server: Server) -> None:
    good = cookie_of(decide(server, "1")).value
    entries = {**json.loads(unquote(good)), "https://old.example": "stale"}
    headers = {"Origin": PAGE, "Cookie": f"__Host-cors={quote(json.dumps(entries), safe='')}"}
    answer = server.client.get("/cas/crl", headers, tls=True).expect(200)
    assert cookie_of(answer).value == good


def test_consent_page(server: Server) -> None:
    asked = f"/cors?origin={PAGE}&return={PAGE}/back"
    page = server.client.get(asked, tls=True).expect(200)
    text = page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert PAGE in text
    assert f"localhost:{server.port + 1}" in text
    assert page.headers["X-Frame-Options"] == "DENY"
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'", f"form-action 'self' {PAGE}"} <= set(policy)
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"


def test_consent_page_is_only_on_https(server: Server) -> None:
    for query in ("", f"?origin={PAGE}", f"?origin={quote(PAGE, safe='')}&return={quote(PAGE + '/a b')}"):
        answer = server.client.get(f"/cors{query}").expect(302)
        assert answer.headers["Location"] == f"{server.https_origin}/cors{query}"


BAD_QUESTIONS = [
    {},
    {"origin": PAGE},
    {"return": f"{PAGE}/"},
    {"origin": "null", "return": "null"},
    {"origin": "", "return": ""},
    {"origin": "https://page.example/", "return": "https://page.example/"},
    {"origin": "https://PAGE.example", "return": "https://PAGE.example/"},
    {"origin": "https://page.example:443", "return": "https://page.example:443/"},
    {"origin": "ftp://page.example", "return": "ftp://page.example/"},
    {"origin": "javascript:alert(1)", "return": "javascript:alert(1)"},
    {"origin": "https://page.example; script-src *", "return": "https://page.example; script-src */"},
    {"origin": PAGE, "return": "/back"},
    {"origin": PAGE, "return": "//page.example/"},
    {"origin": PAGE, "return": "javascript:alert(1)"},
    {"origin": PAGE, "return": "https://evil.example/"},
    {"origin": PAGE, "return": f"{PAGE}.evil.example/"},
    {"origin": PAGE, "return": f"{PAGE}@evil.example/"},
    {"origin": PAGE, "return": f"{PAGE}:444/"},
    {"origin": PAGE, "return": f"{PAGE}\\@evil.example/"},
    {"origin": PAGE, "return": f"{PAGE}/\r\nX: y"},
    {"origin": PAGE, "return": f"{PAGE}/\u00e9"},
    {"origin": PAGE, "return": f'{PAGE}/"><script>'},
    {"origin": PAGE, "return": "http://page.example/"},
]


@pytest.mark.parametrize("asked", BAD_QUESTIONS)
def test_bad_questions(server: Server, asked: dict[str, str]) -> None:
    """Neither a page with somebody else's words on it, nor a way to be sent anywhere."""
    page = server.client.get(f"/cors?{urlencode(asked)}", tls=True).expect(400)
    assert page.type == "text/html"
    assert not any(value.encode() in page.body for value in asked.values() if value)
    body = urlencode({**asked, "grant": "1"}).encode()
    answer = server.client.ask(
        "POST", "/cors", body, {"Origin": server.https_origin, **FORM}, tls=True
    ).expect(400)
    assert "Set-Cookie" not in answer.headers


def test_two_of_a_kind(server: Server) -> None:
    twice = f"/cors?origin={PAGE}&origin={KNOWN}&return={PAGE}/"
    server.client.get(twice, tls=True).expect(400)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"origin=https://page.example&return=https://page.example/", FORM),
        (b"origin=https://page.example&return=https://page.example/&grant=yes", FORM),
        (b"origin=https://page.example&return=https://page.example/&grant=1&grant=0", FORM),
        (b"origin=https://page.example&return=https://page.example/&grant=1", {"Content-Type": "text/plain"}),
        (b"&".join(b"a=%d" % number for number in range(20)), FORM),
        (b"\xff", FORM),
        (b"", FORM),
    ],
)
def test_bad_answers(server: Server, body: bytes, headers: dict[str, str]) -> None:
    asked = {"Origin": server.https_origin, **headers}
    answer = server.client.ask("POST", "/cors", body, asked, tls=True).expect(400)
    assert answer.type == "text/html"
    assert "Set-Cookie" not in answer.headers


def test_nobody_answers_for_the_user(server: Server) -> None:
    body = urlencode({"origin": PAGE, "return": f"{PAGE}/", "grant": "1"}).encode()
    for origin in ({}, *({"Origin": origin} for origin in (PAGE, KNOWN, "null", server.origin))):
        for tls in (False, True):
            answer = server.client.ask("POST", "/cors", body, {**FORM, **origin}, tls=tls).expect(403)
            assert "Set-Cookie" not in answer.headers
    over_http = server.client.ask("POST", "/cors", body, {**FORM, "Origin": server.https_origin}).expect(400)
    assert "Set-Cookie" not in over_http.headers


def test_nobody_is_asked_who_calls_without_need(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of another origin could make a revoked user's browser fill the audit log."""
    monkeypatch.setattr(Authority, "authenticate", lambda *_, **__: pytest.fail("asked"))
    server.client.get("/cas/crl", {"Origin": PAGE}, tls=True).expect(401)


def test_unusable_secrets(own_server: Server) -> None:
    (own_server.folder / "cors.key").write_bytes(b"something else")
    assert decide(own_server, "1").expect(503).sentence
    headers = {"Origin": PAGE, "Cookie": "__Host-cors=%7B%22a%22:1%7D"}
    own_server.client.get("/cas/crl", headers).expect(503)
    own_server.client.get("/cas/crl").expect(200)
