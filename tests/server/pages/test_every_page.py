"""What holds for every page, whoever looks at it: its headers, its form, and that it can be used without seeing it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from caucase.authority import AuditEvent
from caucase.server.cors import Kind
from caucase.server.pages import assets, texts
from caucase.server.routes import ROUTES

from ..harness import Server
from ..material import make
from .dom import Element, parse
from .world import World, request

PAGE = "https://page.example"
_STATIC = Path(assets.__file__).parent / "static"


def paths(world: World) -> dict[str, str]:
    """An address of each route that shows a page."""
    asked = request(
        "www",
        names=[x509.DNSName("www.example")],
        extensions=[
            x509.BasicConstraints(True, 0),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]),
        ],
    )
    waiting = world.submit(asked)
    issued = world.issue(request("www", names=[x509.DNSName("www.example")]))
    gone = world.issue(request("gone"))
    world.revoke(gone.serial_number)
    cookie_page = f"/cors?origin={quote(PAGE)}&return={quote(PAGE)}/"
    return {
        "/cors": cookie_page,
        "/ui/": "/ui/",
        "/ui/trust": "/ui/trust",
        "/ui/consents": "/ui/consents",
        "/ui/requests": "/ui/requests",
        "/ui/{c}/requests/{csr_id}": f"/ui/cas/requests/{waiting}",
        "/ui/{c}/changes/{csr_id}": f"/ui/cas/changes/{waiting}",
        "/ui/{c}/issued": "/ui/cas/issued",
        "/ui/{c}/issued/{serial}": f"/ui/cas/issued/{issued.serial_number:x}",
        "revoked": f"/ui/cas/issued/{gone.serial_number:x}",
        "users": "/ui/cau/issued",
        "nothing found": "/ui/cas/issued?text=there+is+no+such+thing",
        "/ui/{c}/record": "/ui/cas/record",
        "no such request": "/ui/cas/requests/1",
        "no such search": "/ui/cas/issued?state=nonsense",
    }


PAGES = (
    "/cors",
    "/ui/",
    "/ui/trust",
    "/ui/consents",
    "/ui/requests",
    "/ui/{c}/requests/{csr_id}",
    "/ui/{c}/changes/{csr_id}",
    "/ui/{c}/issued",
    "/ui/{c}/issued/{serial}",
    "revoked",
    "users",
    "nothing found",
    "/ui/{c}/record",
    "no such request",
    "no such search",
)


@pytest.fixture(scope="session")
def addresses(world: World) -> dict[str, str]:
    return paths(world)


def test_every_page_is_looked_at(addresses: dict[str, str]) -> None:
    assert set(PAGES) == set(addresses)
    routes = {
        path.replace("/cas/", "/{c}/").replace("/cau/", "/{c}/")
        for route in ROUTES
        for _, path in route.paths()
        if route.method == "GET" and route.kind is Kind.PAGE
    }
    assert routes - {"/ui", "/ui/static/{name}"} <= set(PAGES)


@pytest.mark.parametrize("as_user", [True, False])
@pytest.mark.parametrize("name", PAGES)
def test_headers(world: World, addresses: dict[str, str], name: str, as_user: bool) -> None:
    answer = world.get(addresses[name], as_user=as_user)
    headers = answer.headers
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    policy = dict(directive.split(" ", 1) for directive in headers["Content-Security-Policy"].split("; "))
    is_question = name == "/cors"
    assert policy == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "connect-src": "'self'",
        "form-action": f"'self' {PAGE}" if is_question else "'self'",
        "frame-ancestors": "'none'",
        "img-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
    }


@pytest.mark.parametrize("as_user", [True, False])
@pytest.mark.parametrize("name", PAGES)
def test_form(world: World, addresses: dict[str, str], name: str, as_user: bool) -> None:
    """Nothing in it is run or styled in place, nothing comes from elsewhere; and a screen reader finds its way."""
    page = parse(world.get(addresses[name], as_user=as_user).body)
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("head").one("title").text
    assert page.one("h1").text
    for landmark in ("header", "main", "footer"):
        page.one(landmark)
    _check_nothing_in_place(page)
    _check_references(page)
    _check_names(page)
    _check_headings(page)
    for table in page.all("table"):
        assert table.one("caption").text
        assert all(head.attributes["scope"] in ("col", "row") for head in table.all("th"))
        for row in table.one("tbody").all("tr"):
            assert len(row.children) // 2 == len(table.one("thead").all("th"))
    for time in page.all("time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time.attributes["datetime"])


def _check_nothing_in_place(page: Element) -> None:
    for element in page.walk():
        assert element.tag not in ("style", "base", "iframe", "object", "embed")
        assert not any(attribute.startswith("on") for attribute in element.attributes)
        assert "style" not in element.attributes
        if element.tag == "script":
            assert element.attributes["src"] == "/ui/static/console.js"
            assert not element.children
        if element.tag in ("script", "img"):
            assert element.attributes["src"].startswith("/ui/static/")
        if element.tag == "link":
            assert element.attributes["href"].startswith("/ui/static/")
        if element.tag == "a":
            assert element.attributes["href"].startswith(
                ("/", "#", "http://localhost:", "https://localhost:")
            )
        if element.tag == "form" and "action" in element.attributes:
            assert element.attributes["action"].startswith(("/ui/", "/cors"))


def _check_references(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.walk() if "id" in element.attributes]
    assert len(set(ids)) == len(ids)
    for element in page.walk():
        for attribute in ("aria-labelledby", "aria-describedby", "for", "data-opens"):
            assert set(element.attributes.get(attribute, "").split()) <= set(ids)
        if element.attributes.get("href", "").startswith("#"):
            assert element.attributes["href"][1:] in ids


def _check_names(page: Element) -> None:
    """What can be used has a name."""
    labelled = {label.attributes.get("for") for label in page.all("label")}
    within = {id(field) for label in page.all("label") for field in label.walk()}
    for element in page.walk():
        if element.tag in ("a", "button", "summary", "option", "caption", "legend"):
            assert element.text
        if element.tag in ("select", "textarea", "input") and element.attributes.get("type") != "hidden":
            assert element.attributes.get("id") in labelled or id(element) in within
        if element.tag in ("nav", "dialog", "section") or element.attributes.get("role") == "img":
            assert {"aria-label", "aria-labelledby"} & set(element.attributes)


def _check_headings(page: Element) -> None:
    levels = [int(one.tag[1]) for one in page.walk() if re.fullmatch(r"h[1-6]", one.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("name", PAGES)
def test_navigation(world: World, addresses: dict[str, str], name: str) -> None:
    """Where one is, is said; the consent page leads nowhere else but to its list."""
    page = parse(world.get(addresses[name]).body)
    current = [link.attributes["href"] for link in page.all("a", aria_current="page")]
    assert len(current) == (0 if name in ("/cors", "no such request", "no such search") else 1)
    for link in page.all("a"):
        href = link.attributes["href"]
        if href.startswith("/ui/"):
            world.get(href).expect(200)


def test_what_nobody_sees(world: World, addresses: dict[str, str]) -> None:
    """No user's certificate: no page but those for everybody, no link to the others, and how to get one."""
    for name, path in addresses.items():
        is_open = name in ("/cors", "/ui/", "/ui/trust", "/ui/consents")
        answer = world.get(path, as_user=False).expect(200 if is_open else 401)
        page = parse(answer.body)
        if not is_open:
            assert answer.headers["WWW-Authenticate"] == "transport"
            assert "pkcs12" in page.one("main").text
        hrefs = {link.attributes["href"] for link in page.one("main").all("a")}
        assert not any(href.startswith(("/ui/cas/", "/ui/cau/")) for href in hrefs)
        assert "alice" not in page.text


def test_over_http_there_is_only_the_way_to_https(world: World, addresses: dict[str, str]) -> None:
    for path in [*addresses.values(), "/ui", "/ui/static/console.css"]:
        answer = world.server.client.get(path).expect(302)
        assert answer.headers["Location"] == world.server.https_origin + path


@pytest.mark.parametrize("as_user", [True, False])
@pytest.mark.parametrize("path", ["/ui/nothing", "/ui/cas/", "/ui/cas/requests/", "/ui/x/y/z?a=<b>"])
def test_what_is_no_page_is_told_on_one(world: World, path: str, as_user: bool) -> None:
    answer = world.get(path, as_user=as_user).expect(404)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = parse(answer.body)
    assert page.one("main").one("h1").text == texts.problem.titles[404]
    assert ("alice" in page.text) == as_user
    assert not world.server.client.get(path).expect(404).body.startswith(b"<")  # over HTTP
    for origin in (PAGE, "https://known.example"):
        refused = world.get(path, as_user=as_user, Origin=origin).expect(403)
        assert "Access-Control-Allow-Origin" not in refused.headers


def test_home(world: World) -> None:
    assert world.get("/ui").expect(302).headers["Location"] == "/ui/"


def test_pages_of_other_origins_see_nothing(world: World, addresses: dict[str, str]) -> None:
    """Also with the user's consent, or on the list: those are for the API."""
    for path in addresses.values():
        for origin in (PAGE, "https://known.example", "null"):
            answer = world.get(path, Origin=origin).expect(403)
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.sentence


@pytest.mark.parametrize("name", assets.TYPES)
def test_assets(world: World, name: str) -> None:
    answer = world.get(f"/ui/static/{name}", as_user=False).expect(200)
    assert answer.body == (_STATIC / name).read_bytes()
    assert answer.headers["Content-Type"] == assets.TYPES[name]
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    again = {"If-None-Match": answer.headers["ETag"]}
    assert world.server.client.get(f"/ui/static/{name}", again, tls=True).expect(304).body == b""


@pytest.mark.parametrize(
    "name", ["nothing", "../texts.py", "%2e%2e%2ftexts.py", "console.css%00", "console.CSS"]
)
def test_no_other_file(world: World, name: str) -> None:
    assert world.server.client.get(f"/ui/static/{name}", tls=True).status == 404


def test_every_asset_has_a_type() -> None:
    assert {path.name for path in _STATIC.iterdir()} == set(assets.TYPES)


def test_under_another_name(world: World) -> None:
    """The API would take the page for another site's; so that is said."""
    page = parse(world.get("/ui/", Host="other.example").expect(200).body)
    [link] = [one for one in page.one("main").all("a") if one.attributes["href"].startswith("https:")]
    assert link.attributes["href"] == f"{world.server.https_origin}/ui/"
    usual = world.page("/ui/").one("main")
    assert not [one for one in usual.all("a") if one.attributes["href"].startswith("https:")]


def test_who_is_told(world: World) -> None:
    assert world.page("/ui/").one("p", class_="who").text == "You are CN=alice."


def test_revoked_user(own_server: Server, tmp_path: Path) -> None:
    """Sees what everybody sees, and why; and is out of everything else."""
    made = make("bob")
    crt_pem = own_server.client.become_user(made.csr_pem)
    world = World(own_server, made.bundle(tmp_path / "bob.pem", crt_pem))
    world.page("/ui/requests")
    world.revoke(x509.load_pem_x509_certificate(crt_pem).serial_number, "cau")
    own_server.audit.events.clear()
    page = world.page("/ui/")
    assert "The certificate is revoked." in page.one("p", role="alert").text
    assert "CN=bob" not in page.text
    answer = world.get("/ui/requests").expect(401)
    assert "The certificate is revoked." in parse(answer.body).text
    refusals = [event for event, _ in own_server.audit.events if event is AuditEvent.AUTHENTICATION_REFUSED]
    assert len(refusals) == 2  # one for each page


def test_unconfigured(bare_server: Server) -> None:
    """As for everybody else: a sentence, and no page."""
    for path in ("/ui/", "/cors", "/ui/static/console.css"):
        assert bare_server.client.get(path, tls=True).expect(503).sentence


@pytest.mark.parametrize("path", ["/ui/", "/ui/cas/issued?name=www&after=%22%3E", "/ui/?%22"])
def test_a_page_under_another_name_leads_to_the_same_page(world: World, path: str) -> None:
    page = parse(world.get(path, Host="192.0.2.1:8010").body)
    [link] = [one for one in page.all("a") if one.text == texts.frame.elsewhere_link]
    assert link.attributes["href"] == world.server.https_origin + path
