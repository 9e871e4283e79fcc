"""Whatever strangers write into requests is shown on every page where it is, whole, and does nothing there."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from .dom import Element, parse
from .world import World, request

_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3164\ufeff]")
LONG = "".join(f"{number:05}-" for number in range(1700))  # 10 KiB
HOSTILE = {
    "html": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x="',
    "quote": "' autofocus onfocus='alert(1)",
    "entity": "&lt;b&gt;&#60;img src=x onerror=alert(1)&#62;",
    "template": "{{ 7 * 7 }}{% for x in y %}{# #}",
    "braces": "{user} {0.__class__}",
    "override": "moc.elgoog\u202ewww",
    "isolate": "\u2067\u2066www\u2069",
    "nul": "www\0.example",
    "newlines": "www\r\nSet-Cookie: x=y\r\n\r\n<p>",
    "escape": "\x1b]0;title\x07",
    "invisible": "ww\u200bw\u3164\ufeff",
    "homograph": "pаypаl",
    "marks": "Z" + "\u0301" * 50,
    "spaces": "   www   ",
    "javascript": "javascript:alert(1)",
    "comment": "<!--",
    "cdata": "]]>",
    "close": "</dd></dl></main>",
}


def visible(element: Element) -> str:
    """The text in it as a person reads it, and what stands for what cannot be seen as that again."""
    return "".join(_read(element))


def _read(element: Element) -> list[str]:
    found = []
    for child in element.children:
        if isinstance(child, str):
            found.append(child)
        elif child.attributes.get("class") == "hidden":
            found.append(chr(int(child.text.removeprefix("U+"), 16)))
        else:
            found += _read(child)
    return found


def _common(text: str) -> str:
    """As much of it as there is room for in a common name, in bytes, as newer versions of the library count."""
    return text.encode()[:64].decode(errors="ignore")


def _is_harmless(page: Element, body: bytes) -> None:
    """The page has the elements it always has, and no character that cannot be seen."""
    for element in page.walk():
        assert element.tag not in ("img", "b")
        assert not any(name.startswith("on") or name == "autofocus" for name in element.attributes) or (
            element.attributes.get("data-closes") is not None
        )
        if element.tag == "script":
            assert element.attributes["src"] == "/ui/static/console.js"
    assert not _UNSEEN.search(body.decode())


@pytest.mark.parametrize("name", HOSTILE)
def test_in_subjects(world: World, name: str) -> None:
    text = HOSTILE[name]
    csr_pem = request(_common(text), more=[(NameOID.ORGANIZATION_NAME, text)])
    request_id = world.submit(csr_pem)
    for path in ("/ui/requests", f"/ui/cas/requests/{request_id}", f"/ui/cas/changes/{request_id}"):
        answer = world.get(path).expect(200)
        _is_harmless(parse(answer.body), answer.body)
    shown = world.page(f"/ui/cas/requests/{request_id}").all("dl", class_="facts")[1]
    assert visible(shown.facts()["O"].all("bdi")[-1]) == text
    world.server.client.ask("PUT", f"/cas/crt/{request_id}", user=world.user).expect(204)
    crt_pem = world.server.client.get(f"/cas/crt/{request_id}").expect(200).body
    serial = x509.load_pem_x509_certificate(crt_pem).serial_number
    for path in ("/ui/cas/issued", f"/ui/cas/issued/{serial:x}", "/ui/cas/record"):
        answer = world.get(path).expect(200)
        _is_harmless(parse(answer.body), answer.body)


@pytest.mark.parametrize(
    "name", ["html", "attribute", "quote", "entity", "template", "nul", "newlines", "javascript"]
)
def test_in_names(world: World, name: str) -> None:
    """Names of certificates are ASCII; but no other limit is kept by everybody."""
    text = HOSTILE[name]
    names = [
        x509.UniformResourceIdentifier(text),
        x509.DNSName(text),
        x509.RFC822Name("a@b.example"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common(text))])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3.5"), b"\x0c\x01x"),
    ]
    request_id = world.submit(request("names", names=names))
    answer = world.get(f"/ui/cas/requests/{request_id}").expect(200)
    page = parse(answer.body)
    _is_harmless(page, answer.body)
    said = [visible(one.all("bdi")[-1]) for one in page.all("dl")[0].facts()["Names"].all("li")]
    assert said[:4] == [f"URI:{text}", f"DNS:{text}", "email:a@b.example", "IP:2001:db8::1"]
    assert said[5:] == ["RID:1.2.3.4", "othername:1.2.3.5:0c0178"]
    answer = world.get(f"/ui/cas/changes/{request_id}").expect(200)
    _is_harmless(parse(answer.body), answer.body)
    assert "othername:1.2.3.5:0c0178" in parse(answer.body).one("main").text  # is left out there


def test_what_is_long_is_folded(world: World) -> None:
    """10 KiB are all there, in a page that is no mess."""
    request_id = world.submit(request("long", more=[(NameOID.ORGANIZATION_NAME, LONG)]))
    page = world.page(f"/ui/cas/requests/{request_id}")
    folded = page.all("dl", class_="facts")[1].facts()["O"].one("details")
    assert len(visible(folded.one("summary").one("bdi"))) < 200
    assert str(len(LONG)) in folded.one("summary").text
    assert visible(folded.all("bdi")[-1]) == LONG
    line = next(row for row in world.page("/ui/requests").one("table").rows() if "long" in row["Subject"])
    assert len(line["Subject"]) < 100


def test_many_names(world: World) -> None:
    names = [x509.DNSName(f"w{number}.example") for number in range(500)]
    request_id = world.submit(request("many", names=names))
    page = world.page(f"/ui/cas/requests/{request_id}")
    assert len(page.all("dl")[0].facts()["Names"].all("li")) == 500
    line = next(row for row in world.page("/ui/requests").one("table").rows() if row["Subject"] == "CN=many")
    assert line["Names"] == "DNS:w0.example, DNS:w1.example, DNS:w2.example and 497 more"


@pytest.mark.parametrize("name", HOSTILE)
def test_in_searches(world: World, name: str) -> None:
    """What is looked for is on the page, and in the addresses of others."""
    text = HOSTILE[name]
    for path, field in (("/ui/cas/issued", "text"), ("/ui/cas/record", "actor")):
        is_printable = text.isprintable()
        answer = world.get(f"{path}?{field}={quote(text)}").expect(200 if is_printable else 400)
        page = parse(answer.body)
        assert not _UNSEEN.search(answer.body.decode())
        for element in page.walk():
            assert element.tag not in ("img", "b")
            assert not any(attribute.startswith("on") for attribute in element.attributes)
        if is_printable:
            assert page.one("input", id=field).attributes["value"] == text.strip()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("state=<script>", 400), ("after=<script>", 400), ("after=-1", 400), ("after=" + "9" * 30, 400),
     ("text=" + "x" * 300, 400), ("text=%ff", 200), ("unknown=<script>", 200)],
)  # fmt: skip
def test_what_no_link_of_ours_says(world: World, text: str, problem: int) -> None:
    answer = world.get(f"/ui/cas/issued?{text}").expect(problem)
    assert b"<script>" not in answer.body
    parse(answer.body)
