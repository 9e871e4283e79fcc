"""What everybody sees of the authority: CAs, their lives as a picture and in words, lists, and how to trust them."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from caucase.authority import CaStatus
from caucase.core import rollover
from caucase.core.rollover import Lifetime, Phase
from caucase.core.spki import KeyId
from caucase.core.x509 import Serial
from caucase.server.pages import timeline

from .dom import Element
from .world import World, request

CONTEXTS = ("cas", "cau", "https")
START = datetime(2030, 1, 1, tzinfo=UTC)
PERIOD = timedelta(days=100)


def anonymous(world: World, path: str = "/ui/") -> Element:
    return world.page(path, as_user=False)


def section(page: Element, context: str) -> Element:
    return page.one("section", aria_labelledby=context)


def certificate_of(world: World, link: Element) -> x509.Certificate:
    answer = world.server.client.get(link.attributes["href"]).expect(200)  # over HTTP
    assert answer.type == "application/x-x509-ca-cert"
    return x509.load_pem_x509_certificate(answer.body)


@pytest.mark.parametrize("context", CONTEXTS)
def test_cas(world: World, context: str) -> None:
    """Each with its fingerprint, and the certificate that has it."""
    page = section(anonymous(world), context)
    shown = page.all("dl", class_="facts")
    assert len(shown) == (1 if context == "https" else 2)
    for facts in (one.facts() for one in shown):
        certificate = certificate_of(world, facts["File"].one("a"))
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        assert facts["SHA-256 fingerprint"].text.replace(":", "").lower() == digest
        assert facts["Subject"].text == certificate.subject.rfc4514_string()
        assert facts["SHA-256 fingerprint"].text.count(":") == 31
    headings = [one.text for one in page.all("h3")]
    assert headings == (["CA 1: signs"] if context == "https" else ["CA 1: signs", "CA 2: known"])


@pytest.mark.parametrize("context", ["cas", "cau"])
def test_the_one_to_trust(world: World, context: str) -> None:
    first, second = (one.facts() for one in section(anonymous(world), context).all("dl", class_="facts"))
    anchor = world.server.client.get(f"/{context}/crt/ca.crt.pem").expect(200).body
    assert certificate_of(world, first["File"].one("a")) == x509.load_pem_x509_certificate(anchor)
    assert "the one to trust" in first["Now"].text
    assert "the one to trust" not in second["Now"].text


@pytest.mark.parametrize("context", ["cas", "cau"])
def test_lists(world: World, context: str) -> None:
    table = section(anonymous(world), context).one("table")
    rows = table.rows()
    assert [row["Signed by"] for row in rows] == ["CA 1", "CA 2"]
    links = [link.attributes["href"] for link in table.all("a")]
    for row, pem, der in zip(rows, links[::2], links[1::2], strict=True):
        crl = x509.load_pem_x509_crl(world.server.client.get(pem).expect(200).body)
        assert crl == x509.load_der_x509_crl(world.server.client.get(der).expect(200).body)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        assert row["Number"] == str(number)
    for time in table.all("time"):
        assert time.attributes["datetime"].endswith("Z")


def test_a_list_that_is_due_is_made_first(world: World) -> None:
    """So what is told is what whoever fetches it gets."""
    before = section(anonymous(world), "cas").one("table").rows()[0]["Number"]
    world.revoke(world.issue(request("www")).serial_number)
    after = section(anonymous(world), "cas").one("table").rows()[0]["Number"]
    assert int(after) > int(before)


@pytest.mark.parametrize("context", CONTEXTS)
def test_picture(world: World, context: str) -> None:
    """It says the same as the words beside it."""
    page = section(anonymous(world), context)
    picture = page.one("svg", role="img")
    assert picture.one("title").text.startswith("The lives of the CA certificates of ")
    words = page.one("ul", id=f"{context}-phases")
    assert picture.attributes["aria-describedby"] == f"{context}-phases"
    bars = picture.all("rect")
    said = [one.text for one in words.all("li")]
    assert len(said) == len(bars) + 1
    assert said[-1].startswith("The next CA is made at ")
    for bar, sentence in zip(bars, said, strict=False):
        assert bar.attributes["class"] in sentence
        x, width = (float(bar.attributes[name].removesuffix("%")) for name in ("x", "width"))
        assert 0 <= x <= x + width <= 100.01
    assert [line.attributes.get("class", "now") for line in picture.all("line")] == ["now", "next"]


@pytest.mark.parametrize(
    "key_id", ["00" * 20, "xy", "AB" * 20, "abc", "", "%00", "0" * 2000, "../../x"], ids=lambda text: text[:8]
)
def test_no_such_ca(world: World, key_id: str) -> None:
    world.server.client.get(f"/ui/ca/{key_id}.pem").expect(404)


def test_ca_certificates_are_not_sent_twice(world: World) -> None:
    first = section(anonymous(world), "cas").all("dl", class_="facts")[0].facts()
    link = first["File"].one("a")
    answer = world.server.client.get(link.attributes["href"]).expect(200)
    again = {"If-None-Match": answer.headers["ETag"]}
    world.server.client.get(link.attributes["href"], again).expect(304)


# How to trust it


def test_what_is_fetched_is_what_is_shown(world: World, tmp_path: Path) -> None:
    """The commands of the page, typed."""
    page = anonymous(world, "/ui/trust")
    commands = page.one("main").all("pre")[1].text.replace(" openssl", "\nopenssl").replace(" curl", "\ncurl")
    printed = ""
    for line in commands.splitlines():
        command = shlex.split(line)
        assert command[0] in ("curl", "openssl")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        printed += done.stdout
    fetched = re.findall(r"Fingerprint=([0-9A-F:]+)", printed)
    shown = [one.text for one in page.one("main").all("ul")[0].all("span", class_="key")]
    assert fetched == shown
    assert len(shown) == 2
    # And they are good for what they are installed for.
    (tmp_path / "caucase.pem").write_bytes(b"".join(path.read_bytes() for path in tmp_path.glob("*.crt")))
    issued = world.issue(_www())
    (tmp_path / "www.pem").write_bytes(issued.public_bytes(Encoding.PEM))
    verify = ["openssl", "verify", "-CAfile", "caucase.pem", "www.pem"]
    subprocess.run(verify, cwd=tmp_path, capture_output=True, check=True)


def _www() -> bytes:
    return request("www", names=[x509.DNSName("www.example")])


def test_systems(world: World) -> None:
    page = anonymous(world, "/ui/trust")
    systems = {one.one("summary").text: one.text for one in page.one("main").all("details")}
    for name, says in (
        ("Debian, Ubuntu", "update-ca-certificates"),
        ("Fedora, Red Hat Enterprise Linux", "update-ca-trust"),
        ("macOS", "security add-trusted-cert"),
        ("Windows", "certutil -addstore"),
        ("Firefox", "Authorities"),
        ("Java", "keytool -importcert"),
        ("curl, and other programs that take a file", "--cacert"),
    ):
        assert says in systems[name]
    assert all(systems.values())


def test_what_browsers_need_for_this_page(world: World) -> None:
    """The HTTPS CA, which is another one, and good for this host alone."""
    page = anonymous(world, "/ui/trust")
    link = page.one("main").all("ul")[-1].one("a")
    certificate = x509.load_pem_x509_certificate(
        world.server.client.get(link.attributes["href"].removeprefix(world.server.origin)).expect(200).body
    )
    permitted = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    assert [name.value for name in permitted or ()] == ["localhost"]


# The picture alone


def drawn(*starts: int, now: int, due: int | None = 300) -> timeline.Timeline:
    """CAs of 400 days each that begin on those days."""
    lifetimes = [
        Lifetime(
            not_before=START + start * timedelta(days=1), not_after=START + (start + 400) * timedelta(days=1)
        )
        for start in starts
    ]
    moment = START + now * timedelta(days=1)
    roles = rollover.roles(lifetimes, moment, PERIOD)
    spans = rollover.timeline(lifetimes, PERIOD)
    cas = [
        CaStatus(
            key_id=KeyId(b"k"),
            serial=Serial(1),
            subject="CN=ca",
            fingerprint=b"",
            phase=phase,
            not_before=life.not_before,
            not_after=life.not_after,
            spans=tuple(some),
        )
        for life, phase, some in zip(lifetimes, roles.phases, spans, strict=True)
    ]
    return timeline.draw(cas, now=moment, due=None if due is None else START + due * timedelta(days=1))


def test_one_ca() -> None:
    picture = drawn(0, now=100, due=200)
    [row] = picture.rows
    [bar] = row.bars
    assert (bar.phase, bar.x, bar.width, bar.is_named) == (Phase.SIGNING, 0.0, 100.0, True)
    assert (picture.now.x, picture.now.is_right) == (25.0, False)
    assert picture.due is not None
    assert picture.due.x == 50.0


def test_two_cas() -> None:
    picture = drawn(0, 200, now=250, due=400)
    first, second = picture.rows
    assert [(bar.phase, bar.x) for bar in first.bars] == [(Phase.SIGNING, 0.0), (Phase.TRUSTED, 50.0)]
    assert [(bar.phase, bar.x) for bar in second.bars] == [(Phase.KNOWN, 33.33), (Phase.SIGNING, 50.0)]
    assert [bar.is_named for bar in first.bars + second.bars] == [True, False, False, True]
    assert second.y > first.y + picture.bar
    assert picture.height > second.y + picture.bar
    assert picture.due is not None
    assert picture.due.is_right


def test_what_is_overdue_is_no_mark() -> None:
    assert drawn(0, now=250, due=200).due is None
    assert drawn(0, now=250, due=None).due is None


def test_no_ca_at_all() -> None:
    picture = timeline.draw([], now=START, due=None)
    assert (picture.rows, picture.now.x) == ((), 0.0)
