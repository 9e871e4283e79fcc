"""Requests that wait: everything decoded, what the CA would make of it, what there is already, and the decision."""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from caucase.authority import ContextName, RequestId
from caucase.core.request import make_request
from caucase.core.x509 import dump_der, key_id_in, load_request
from caucase.store import requests
from caucase.store.requests import NewRequest

from ..harness import Server
from ..material import make
from ..wire import Answer
from .dom import Element, parse
from .world import World, request


def ask(world: World, form: Element) -> Answer:
    """What the script sends for a form."""
    data = {name.removeprefix("data-"): value for name, value in form.attributes.items()}
    headers = {"Origin": world.server.https_origin}
    if data["type"]:
        headers["Content-Type"] = data["type"]
    body = data["body"].encode() or None
    return world.server.client.ask(data["method"], data["url"], body, headers, user=world.user)


def form_of(page: Element, button: str) -> Element:
    """The form whose button says that; its buttons can be pressed by the script alone."""
    [form] = [one for one in page.all("form", class_="act") if one.one("button").text == button]
    assert {"disabled", "data-script"} <= set(form.one("button").attributes)
    return form


def test_list(world: World) -> None:
    plain = world.submit(request("plain.example", names=[x509.DNSName("plain.example")]))
    world.submit(request("changed", extensions=[x509.BasicConstraints(True, None)]))
    page = world.page("/ui/requests")
    lines = page.one("table").rows()
    rows = {row["Subject"]: row for row in lines}
    row = rows["CN=plain.example"]
    assert (row["For"], row["Names"], row["Key"]) == ("Services (CAS)", "DNS:plain.example", "ec:P-256")
    assert (row["From"], row["Extensions"]) == ("127.0.0.1", "as asked")
    assert row["Came"].endswith("(just now)")
    assert rows["CN=changed"]["Extensions"] == "1 not as asked"
    assert f"/ui/cas/requests/{plain}" in [link.attributes["href"] for link in page.all("a")]
    assert int(page.one("span", class_="count").text) == len(lines) >= 2


def test_nothing_waits(own_server: Server, tmp_path: Path) -> None:
    made = make("alice")
    world = World(own_server, made.bundle(tmp_path / "u.pem", own_server.client.become_user(made.csr_pem)))
    page = world.page("/ui/requests")
    assert "Nothing waits" in page.one("main").text
    assert page.all("span", class_="count") == []


def test_everything_is_decoded(world: World) -> None:
    csr_pem = request(
        "www",
        more=[(NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "Example, Inc")],
        names=[x509.DNSName("www.example"), x509.RFC822Name("a@b.example")],
        extensions=[
            x509.KeyUsage(True, False, True, False, False, True, True, False, False),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING]),
            x509.BasicConstraints(True, 0),
            x509.OCSPNoCheck(),
        ],
    )
    page = world.page(f"/ui/cas/requests/{world.submit(csr_pem)}")
    facts = page.all("dl")[0].facts()
    assert {term: said.text for term, said in page.all("dl")[1].facts().items()} == {
        "C": "FR",
        "O": "Example, Inc",
        "CN": "www",
    }
    assert [one.text for one in facts["Names"].all("li")] == ["DNS:www.example", "email:a@b.example"]
    assert (
        facts["Usages asked for"].text
        == "digitalSignature, keyEncipherment, keyCertSign, cRLSign, serverAuth, OCSPSigning"
    )
    assert key_id_in(load_request(csr_pem)).hex() in facts["Key"].text
    assert facts["Came"].text.startswith("from 127.0.0.1, ")
    assert facts["Valid for"].text == "93 days at most"
    assert csr_pem.decode().split() == page.one("pre").text.split()
    becomes = {row["Extension"]: row for row in page.all("table")[0].rows()}
    assert becomes["subjectAltName"]["Outcome"] == "as asked"
    assert becomes["keyUsage"]["Outcome"].startswith("changed")
    assert becomes["keyUsage"]["Issued"] == "digitalSignature keyEncipherment"
    assert becomes["extKeyUsage"]["Asked for"] == "serverAuth OCSPSigning"
    assert becomes["extKeyUsage"]["Issued"] == "serverAuth"
    assert becomes["basicConstraints"]["Issued"].startswith("CA:FALSE")
    assert becomes["ocspNoCheck"]["Outcome"].startswith("dropped")
    assert becomes["ocspNoCheck"]["Issued"] == "none"
    assert becomes["cRLDistributionPoints"]["Outcome"].startswith("added")


def test_similar_ones(world: World) -> None:
    issued = world.issue(request("similar", names=[x509.DNSName("similar.example")]))
    world.revoke(issued.serial_number)
    other = world.submit(request("else", names=[x509.DNSName("similar.example")]))
    page = world.page(f"/ui/cas/requests/{other}")
    [row] = page.all("table")[1].rows()
    assert (row["Subject"], row["State"], row["How"]) == ("CN=similar", "revoked", "signed by CN=alice")
    alone = world.page(f"/ui/cas/requests/{world.submit(request('unlike anything'))}")
    assert len(alone.all("table")) == 1


def test_sign(world: World) -> None:
    request_id = world.submit(request("to be signed"))
    page = world.page(f"/ui/cas/requests/{request_id}")
    ask(world, form_of(page, "Sign")).expect(204)
    world.server.client.get(f"/cas/crt/{request_id}").expect(200)
    world.get(f"/ui/cas/requests/{request_id}").expect(404)
    ask(world, form_of(page, "Sign")).expect(404)  # twice: it is told


def test_reject(world: World) -> None:
    """After a question, whose first button does nothing."""
    request_id = world.submit(request("to be rejected"))
    page = world.page(f"/ui/cas/requests/{request_id}")
    dialog = page.one("dialog", id="reject")
    [opens] = [one for one in page.all("button") if one.attributes.get("data-opens") == "reject"]
    assert opens.attributes["type"] == "button"
    assert "disabled" in opens.attributes
    first, second = dialog.all("button")
    assert {"data-closes", "autofocus"} <= set(first.attributes)
    assert second.text == "Reject"
    ask(world, form_of(dialog, "Reject")).expect(204)
    world.server.client.get(f"/cas/csr/{request_id}").expect(404)


def test_how_it_went_is_said(world: World) -> None:
    """To everybody: there are places for that, which a screen reader watches."""
    page = world.page(f"/ui/cas/requests/{world.submit(request('www'))}")
    assert page.one("p", id="outcome").attributes["role"] == "status"
    assert page.one("p", id="failure").attributes["role"] == "alert"
    assert "JavaScript" in page.one("noscript").text
    assert form_of(page, "Sign").attributes["data-done"].startswith("Signed.")


def test_the_next_one(world: World) -> None:
    """What is shown once this one is decided on: the one that has waited longest of the others."""
    request_id, _ = world.submit(request("www")), world.submit(request("another"))
    after = world.page(f"/ui/cas/requests/{request_id}").one("p", data_after="")
    assert "hidden" in after.attributes
    following, everything = (link.attributes["href"] for link in after.all("a"))
    assert everything == "/ui/requests"
    assert not following.endswith(request_id)
    world.page(following)


def test_a_user_request(own_server: Server, tmp_path: Path) -> None:
    """What signing it means is said."""
    made = make("alice")
    world = World(own_server, made.bundle(tmp_path / "u.pem", own_server.client.become_user(made.csr_pem)))
    assert own_server.authority is not None
    object.__setattr__(own_server.authority.users.requests, "_auto_approve_count", 0)
    request_id = world.submit(request("bob"), "cau")
    page = world.page(f"/ui/cau/requests/{request_id}")
    assert "may then sign, reject and revoke" in page.all("dl")[0].facts()["For"].text
    becomes = {row["Extension"] for row in page.all("table")[0].rows()}
    assert "cRLDistributionPoints" not in becomes
    ask(world, form_of(page, "Sign")).expect(204)
    own_server.client.get(f"/cau/crt/{request_id}").expect(200)


@pytest.mark.parametrize(
    ("request_id", "status"),
    [
        *((one, 404) for one in ("0", "1", "01", "9" * 19, "9" * 40)),
        *((one, 400) for one in ("x", "-1", "%00", "1%2f2")),
    ],
)
def test_no_such_request(world: World, request_id: str, status: int) -> None:
    for page in ("requests", "changes"):
        world.get(f"/ui/cas/{page}/{request_id}").expect(status)
    assert world.send(f"/ui/cas/changes/{request_id}", b"subject=CN%3Da").status == status


def test_of_the_other_context(world: World) -> None:
    world.get(f"/ui/cau/requests/{world.submit(request('www'))}").expect(404)


def test_what_would_be_refused_cannot_be_signed(world: World) -> None:
    """Nobody can submit it now; it may have come with the database of a former server."""
    key = rsa.generate_private_key(65537, 1024)
    csr = make_request(key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")]), [])
    der = dump_der(csr)
    new = NewRequest(
        key_id=key_id_in(csr),
        digest=sha256(der).digest(),
        csr=der,
        address="migrated",
        submitted_at=int(time.time()),
    )
    number = 4711
    database = world.context("cas").requests._database
    assert database.write(
        partial(requests.insert, context=ContextName.CAS, request_id=RequestId(number), new=new)
    )
    page = world.page(f"/ui/cas/requests/{number}")
    assert "RSA" in page.one("main").text
    assert [one.one("button").text for one in page.all("form", class_="act")] == ["Reject"]
    changed = parse(world.send(f"/ui/cas/changes/{number}", b"subject=CN%3Da").expect(200).body)
    assert "RSA" in changed.one("section").text
    assert changed.all("form", class_="act") == []
    ask(world, form_of(page, "Reject")).expect(204)
