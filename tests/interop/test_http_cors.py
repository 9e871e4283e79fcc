"""Requests from web pages of other origins (protocol, section 8), as far as both servers agree."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from .servers import Server
from .wire import request

PAGE = "https://page.example"


@pytest.mark.parametrize("asked", ["GET /cas/crl", "PUT /cas/csr", "GET /cas/crt/ca.crt.pem"])
def test_consent_is_asked_for(server: Server, asked: str) -> None:
    method, path = asked.split()
    answer = request(server, method, path, headers={"Origin": PAGE}).expect(401)
    scheme, _, parameters = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "cors"
    name, _, quoted = parameters.partition("=")
    assert name == "url"
    template = unquote(quoted.strip('"'))
    assert template.startswith(f"{server.https_url}/cors?origin=")
    assert unquote(template).endswith(f"={PAGE}{{&return}}")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [PAGE, "null"])
def test_what_is_always_allowed(server: Server, origin: str) -> None:
    document = request(server, "GET", "/cas", headers={"Origin": origin}).expect(200)
    preflight = request(server, "OPTIONS", "/cas/csr", headers={"Origin": origin}).expect(204)
    for answer in (document, preflight):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in answer.headers["Vary"]
    assert document.headers["Access-Control-Expose-Headers"] == "Location, WWW-Authenticate"
    assert {"GET", "PUT"} <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type, User-Agent"


@pytest.mark.parametrize(
    ("asked", "origin"), [("GET /cas/crl", "null"), ("POST /cors", "null"), ("POST /cors", PAGE)]
)
def test_what_is_never_allowed(server: Server, asked: str, origin: str) -> None:
    method, path = asked.split()
    request(server, method, path, headers={"Origin": origin}).expect(403)


def test_own_origin(server: Server) -> None:
    """Ours knows itself by both addresses; the peer asks for consent to itself."""
    for origin in (server.url, server.https_url):
        answer = request(server, "GET", "/cas/crl", headers={"Origin": origin})
        assert answer.status == (200 if server.ours else 401)


def test_consent_page(server: Server) -> None:
    asked = f"/cors?origin={PAGE}&return={PAGE}/back"
    page = request(server, "GET", asked, tls=True).expect(200)
    assert page.type == "text/html"
    assert PAGE in page.body.decode()
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    for incomplete in ("/cors", f"/cors?origin={PAGE}", f"/cors?return={PAGE}/back"):
        request(server, "GET", incomplete, tls=True).expect(400)


def test_consent_page_is_only_on_https(server: Server) -> None:
    """Both redirect; the peer forgets where to."""
    asked = f"/cors?origin={PAGE}"
    answer = request(server, "GET", asked).expect(302)
    assert answer.headers["Location"] == server.https_url + (asked if server.ours else "/")
