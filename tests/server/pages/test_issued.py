"""Certificates that were issued: found, paged, told apart by their state, looked at again before they are revoked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509

from caucase.authority import Principal
from caucase.server.pages import texts
from caucase.server.pages.certificates import SOON, State
from caucase.store import Database

from ..harness import Server, running
from ..material import Made, make
from ..wire import JSON
from .dom import Element
from .test_requests import ask, form_of
from .world import World, request

COLUMNS = ("Subject", "Names", "State", "Ends", "How")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of some age: certificates in each state, and one that was renewed."""
    folder = tmp_path_factory.mktemp("old")
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.configure(database)
        made = make("alice")
        world = World(server, made.bundle(folder / "alice.pem", server.client.become_user(made.csr_pem)))
        for name, days in (("expired", -100), ("ending", -85), ("fresh", 0)):
            server.clock.ahead = timedelta(days=days)
            _sign(server, request(name, names=[x509.DNSName(f"{name}.example")]))
        server.clock.ahead = timedelta()
        world.revoke(_sign(server, request("gone")).serial_number)
        _sign(server, request(names=[x509.DNSName("nameless.example")]))
        yield world


def _sign(server: Server, csr_pem: bytes) -> x509.Certificate:
    """Without TLS, whose dates are the machine's."""
    assert server.authority is not None
    requests = server.authority.services.requests
    request_id = requests.submit(csr_pem, address="192.0.2.1")
    requests.sign(request_id, by=Principal.local(0), address="192.0.2.2")
    return x509.load_pem_x509_certificate(requests.certificate(request_id))


def subjects(page: Element) -> list[str]:
    tables = page.all("table")
    return [row["Subject"] for row in tables[0].rows()] if tables else []


def test_list(old: World) -> None:
    page = old.page("/ui/cas/issued")
    table = page.one("table")
    assert tuple(head.text for head in table.one("thead").all("th")) == COLUMNS
    rows = table.rows()
    assert rows[0]["Subject"].startswith("serial number ")
    assert [(row["Subject"], row["State"]) for row in rows[1:]] == [
        ("CN=gone", "revoked"),
        ("CN=fresh", "valid"),
        ("CN=ending", "ends within 14 days"),
        ("CN=expired", "expired"),
    ]
    assert rows[2]["How"] == "signed by local user 0"
    assert rows[2]["Names"] == "DNS:fresh.example"
    [badge] = table.all("span", class_="badge bad")
    assert badge.text == "revoked"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=FRESH", ["CN=fresh"]),
        ("text=fresh.example", ["CN=fresh"]),
        ("text=+fresh+", ["CN=fresh"]),
        ("text=nobody", []),
        ("state=valid&text=CN", ["CN=fresh", "CN=ending"]),
        ("state=soon", ["CN=ending"]),
        ("state=expired", ["CN=expired"]),
        ("state=revoked", ["CN=gone"]),
        ("state=revoked&text=fresh", []),
        ("after=1", []),
    ],
)
def test_search(old: World, query: str, found: list[str]) -> None:
    page = old.page(f"/ui/cas/issued?{query}")
    assert subjects(page) == found
    if not found:
        assert "no such certificate" in page.one("main").text


def test_the_words_say_how_soon() -> None:
    assert f" {SOON.days} days" in texts.states[State.SOON]


def test_search_by_serial(old: World) -> None:
    [link] = old.page("/ui/cas/issued?text=fresh").one("table").all("a")
    serial = link.attributes["href"].rpartition("/")[2]
    colons = ":".join(serial[start : start + 2] for start in range(0, len(serial), 2))
    for text in (serial, serial.upper(), f"0x{serial}", colons):
        assert subjects(old.page(f"/ui/cas/issued?text={text}&state=revoked")) == ["CN=fresh"]


def test_a_serial_that_was_never_issued_has_no_page(world: World) -> None:
    world.revoke(4660)
    row = world.page("/ui/cas/record").one("tbody").all("tr")[0]
    assert "1234" in row.text
    assert row.all("a") == []


def test_a_name_that_looks_like_a_serial_number(world: World) -> None:
    world.issue(request("3f2a9b1c7d4e"))
    assert subjects(world.page("/ui/cas/issued?text=3f2a9b1c7d4e")) == ["CN=3f2a9b1c7d4e"]


def test_a_subject_as_people_write_it(world: World) -> None:
    world.issue(request("Acme, Inc"))
    for text in ("acme, inc", "acme%5C, inc"):
        assert subjects(world.page(f"/ui/cas/issued?text={text.replace(' ', '+')}")) == ["CN=Acme\\, Inc"]


def test_what_is_looked_for_stays_in_the_form(old: World) -> None:
    page = old.page("/ui/cas/issued?text=fresh&state=valid")
    form = page.one("form", role="search")
    assert form.one("input", id="text").attributes["value"] == "fresh"
    assert [option.text for option in form.all("option") if "selected" in option.attributes] == ["valid"]


def test_paging(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.server.pages.issued.PAGE", 2)
    found, path = [], "/ui/cas/issued?text=CN"
    for _ in range(5):
        page = old.page(path)
        assert len(subjects(page)) <= 2
        found += subjects(page)
        older = page.all("a", rel="next")
        if not older:
            break
        path = older[0].attributes["href"]
    assert found == ["CN=gone", "CN=fresh", "CN=ending", "CN=expired"]
    newest = [link.attributes["href"] for link in page.all("a") if link.text == "Newest"]
    assert newest == ["/ui/cas/issued?text=CN"]


def test_a_long_search(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on until something is found, but not for ever, and says that there are others."""
    monkeypatch.setattr("caucase.authority.record._SCAN", 2)
    assert subjects(old.page("/ui/cas/issued?text=expired")) == ["CN=expired"]
    assert len(old.page("/ui/cas/record?actor=local").one("table").rows()) == 1
    monkeypatch.setattr("caucase.server.pages.search._STRETCHES", 2)
    page = old.page("/ui/cas/issued?text=expired")
    assert subjects(page) == []
    assert "have not been looked at yet" in page.one("main").text
    assert page.one("a", rel="next")


def test_each_by_itself(old: World) -> None:
    [link] = old.page("/ui/cas/issued?text=fresh").one("table").all("a")
    page = old.page(link.attributes["href"])
    facts = page.all("dl")[0].facts()
    assert facts["State"].text == "valid"
    assert facts["Subject"].text == "CN=fresh"
    assert [one.text for one in facts["Names"].all("li")] == ["DNS:fresh.example"]
    assert facts["Serial number"].text == link.attributes["href"].rpartition("/")[2]
    assert facts["Issued"].text.startswith("signed by local user 0, ")
    assert facts["Asked for from"].text == "192.0.2.1"
    assert len(facts["Valid"].all("time")) == 2
    assert "Revoked" not in facts


@pytest.mark.parametrize("text", ["expired", "gone"])
def test_nothing_to_revoke(old: World, text: str) -> None:
    [link] = old.page(f"/ui/cas/issued?text={text}").one("table").all("a")
    page = old.page(link.attributes["href"])
    assert page.all("form", class_="act") == []
    if text == "gone":
        assert "by CN=alice from 127.0.0.1" in page.all("dl")[0].facts()["Revoked"].text


def test_revoke(world: World) -> None:
    """After a second look, by a serial that no script could hold as a number."""
    issued = world.issue(request("to be revoked"))
    page = world.page(f"/ui/cas/issued/{issued.serial_number:x}")
    dialog = page.one("dialog", id="revoke")
    assert "CN=to be revoked" in dialog.text
    assert f"{issued.serial_number:x}" in dialog.text
    assert "your own" not in dialog.text
    ask(world, form_of(dialog, "Revoke")).expect(204)
    page = world.page(f"/ui/cas/issued/{issued.serial_number:x}")
    assert page.all("dl")[0].facts()["State"].text == "revoked"
    newest = world.page("/ui/cas/record").one("table").rows()[0]
    assert (newest["What"], newest["Who decided"], newest["Certificate"]) == (
        "revoked",
        "CN=alice",
        "CN=to be revoked",
    )


def test_ones_own(world: World) -> None:
    serial = x509.load_pem_x509_certificate(world.user.read_bytes()).serial_number
    page = world.page(f"/ui/cau/issued/{serial:x}")
    assert "your own certificate" in page.one("dialog").text


def test_what_was_made_of_it(world: World) -> None:
    first, second = make("first"), make("second")
    crt_pem = world.server.client.issue(first.csr_pem, world.user)
    renewed = _renew(world, first, crt_pem, second)
    page = world.page(f"/ui/cas/issued/{x509.load_pem_x509_certificate(crt_pem).serial_number:x}")
    [row] = page.one("table").rows()
    assert row["How"] == "renewed"
    assert "does not revoke those" in page.one("main").text
    page = world.page(f"/ui/cas/issued/{renewed.serial_number:x}")
    [link] = page.all("dl")[0].facts()["Renewed from"].all("a")
    world.page(link.attributes["href"])
    newest = world.page("/ui/cas/record").one("table").rows()[0]
    assert (newest["What"], newest["Who decided"]) == ("renewed", "its holder")


def _renew(world: World, old: Made, crt_pem: bytes, new: Made) -> x509.Certificate:
    message = old.signed({"crt_pem": crt_pem.decode(), "renew_csr_pem": new.csr_pem.decode()})
    answer = world.server.client.ask("PUT", "/cas/crt/renew", message, JSON).expect(200)
    return x509.load_pem_x509_certificate(answer.body)


@pytest.mark.parametrize("serial", ["1", "0", "xyz", "F" * 41, "f" * 40, "-1", "%00"])
def test_no_such_certificate(world: World, serial: str) -> None:
    world.get(f"/ui/cas/issued/{serial}").expect(404)


# The record


def test_record(old: World) -> None:
    rows = old.page("/ui/cas/record").one("table").rows()
    assert [row["What"] for row in rows] == ["signed", "revoked", "signed", "signed", "signed", "signed"]
    assert rows[1]["Who decided"] == "CN=alice"
    assert rows[2]["Who decided"] == "local user 0"
    assert rows[2]["From"] == "192.0.2.1"
    assert [row["Entry"] for row in rows] == ["6", "5", "4", "3", "2", "1"]


def test_who_did_it(old: World) -> None:
    assert len(old.page("/ui/cas/record?actor=ALICE").one("table").rows()) == 1
    assert "no such entry" in old.page("/ui/cas/record?actor=bob").one("main").text


def test_pages_of_the_record(old: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.server.pages.record.PAGE", 4)
    page = old.page("/ui/cas/record")
    page = old.page(page.one("a", rel="next").attributes["href"])
    assert [row["Entry"] for row in page.one("table").rows()] == ["2", "1"]
    assert not page.all("a", rel="next")


def test_users_have_a_record_of_their_own(old: World) -> None:
    [row] = old.page("/ui/cau/record").one("table").rows()
    assert (row["What"], row["Who decided"], row["Certificate"]) == (
        "signed automatically",
        "nobody",
        "CN=alice",
    )
