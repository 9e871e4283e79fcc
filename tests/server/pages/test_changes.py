"""Signing with changes: from the form to the template, and with that to a certificate, by what a browser sends."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from caucase.core.spki import spki
from caucase.core.x509 import load_request, public_key
from caucase.server.pages.changes import PURPOSES, USAGES
from caucase.server.pages.visible import escaped

from .dom import Element, parse
from .test_requests import ask, form_of
from .world import World, request

POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)])


def filled(page: Element) -> dict[str, list[str]]:
    """What a browser sends of the form as it is."""
    form = page.one("form", method="post")
    values: dict[str, list[str]] = {}
    for field in form.walk():
        name = field.attributes.get("name", "")
        if field.tag == "textarea":
            values[name] = ["".join(map(str, field.children)).removeprefix("\n").replace("\n", "\r\n")]
        elif field.attributes.get("type") == "checkbox":
            if "checked" in field.attributes:
                values.setdefault(name, []).append(field.attributes["value"])
        elif field.tag == "input":
            values[name] = [field.attributes["value"]]
    return values


def look(world: World, request_id: str, values: dict[str, list[str]], status: int = 200) -> Element:
    body = urlencode(values, doseq=True).encode()
    return parse(world.send(f"/ui/cas/changes/{request_id}", body).expect(status).body)


def sign(world: World, request_id: str, page: Element) -> x509.Certificate:
    ask(world, form_of(page, "Sign this")).expect(204)
    return x509.load_pem_x509_certificate(world.server.client.get(f"/cas/crt/{request_id}").expect(200).body)


def test_filled_with_what_was_asked_for(world: World) -> None:
    csr_pem = request(
        "www, too",
        more=[(NameOID.ORGANIZATION_NAME, "Example")],
        names=[x509.DNSName("www.example"), x509.UniformResourceIdentifier("spiffe://x/y")],
        extensions=[
            x509.KeyUsage(True, False, True, False, True, True, False, True, False),
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
                 ExtendedKeyUsageOID.OCSP_SIGNING, x509.ObjectIdentifier("1.2.3.4")]
            ),
            POLICY,
        ],
    )  # fmt: skip
    request_id = world.submit(csr_pem)
    page = world.page(f"/ui/cas/changes/{request_id}")
    values = filled(page)
    assert values == {
        "subject": [r"CN=www\, too,O=Example"],
        "names": ["www.example\r\nURI:spiffe://x/y"],
        "usage": ["digitalSignature", "keyEncipherment", "keyAgreement", "encipherOnly"],
        "purpose": ["clientAuth"],
        "others": ["2.5.29.37.0\r\n1.2.3.4"],
    }
    # Sent back as it is, it is the request less what nobody gets.
    made = sign(world, request_id, look(world, request_id, values))
    csr = load_request(csr_pem)
    assert made.subject == csr.subject
    assert spki(public_key(made)) == spki(public_key(csr))
    for kind in (x509.SubjectAlternativeName, x509.CertificatePolicies):
        assert (
            made.extensions.get_extension_for_class(kind).value
            == csr.extensions.get_extension_for_class(kind).value
        )
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.encipher_only, usage.key_cert_sign) == (True, False)
    purposes = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.OCSP_SIGNING not in purposes
    assert len(list(purposes)) == 3


def test_changed(world: World) -> None:
    """What is shown before is what is issued then."""
    csr_pem = request("wrong", names=[x509.DNSName("wrong.example")])
    request_id = world.submit(csr_pem)
    values = {
        "subject": ["CN=right,O=Example"],
        "names": ["right.example\r\n\r\n 192.0.2.1 \r\n*.right.example"],
        "purpose": ["serverAuth"],
        "usage": ["digitalSignature"],
    }
    page = look(world, request_id, values)
    facts = page.one("section", aria_labelledby="result").one("dl").facts()
    assert facts["Subject"].text == "CN=right,O=Example"
    names = [one.text for one in facts["Names"].all("li")]
    assert names == ["DNS:right.example", "IP:192.0.2.1", "DNS:*.right.example"]
    assert filled(page)["names"] == ["right.example\r\n\r\n 192.0.2.1 \r\n*.right.example"]
    template = load_request(form_of(page, "Sign this").attributes["data-body"].encode())
    assert spki(public_key(template)) != spki(public_key(load_request(csr_pem)))
    world.server.client.get(f"/cas/crt/{request_id}").expect(404)  # only looked at yet
    made = sign(world, request_id, page)
    assert made.subject.rfc4514_string() == "CN=right,O=Example"
    assert spki(public_key(made)) == spki(public_key(load_request(csr_pem)))
    alternative = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in alternative] == ["right.example", "192.0.2.1", "*.right.example"]
    assert world.page(f"/ui/cas/issued/{made.serial_number:x}")


@pytest.mark.parametrize(
    ("values", "says"),
    [({"subject": ["CN=only"]}, "CN=only"), ({"names": ["only.example"]}, "")],
)
def test_one_of_them_is_enough(world: World, values: dict[str, list[str]], says: str) -> None:
    request_id = world.submit(request("www", names=[x509.DNSName("www.example")]))
    made = sign(world, request_id, look(world, request_id, values))
    assert made.subject.rfc4514_string() == says


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({}, "names", "needs at least one name"),
        ({"subject": ["www"]}, "subject", "cannot be read"),
        ({"subject": ["CN=" + "x" * 65]}, "subject", "longer than 64"),
        ({"subject": ["CN=\\E2\\80\\AE"]}, "subject", "not printable"),
        ({"subject": ["CN=a\u202eb"]}, "subject", "not printable"),
        ({"subject": ["CN=a\0b"]}, "subject", "not printable"),
        ({"subject": ["XX=y"]}, "subject", "is not known"),
        ({"names": ["good.example\n<script>\n-bad-"]}, "names", "'<script>' is not a name"),
        ({"names": ["a.example\na.example"]}, "names", "given twice"),
        ({"names": ["\n".join(f"a{number}.example" for number in range(101))]}, "names", "too many"),
        ({"names": ["bücher.example"]}, "names", "xn--"),
        ({"subject": ["CN=a"], "usage": ["keyCertSign"]}, "usage", "is not a key usage"),
        ({"subject": ["CN=a"], "usage": ["encipherOnly"]}, "usage", "keyAgreement"),
        ({"subject": ["CN=a"], "purpose": ["OCSPSigning"]}, "purpose", "no extended key usage"),
        ({"subject": ["CN=a"], "others": ["1.2.x"]}, "others", "'1.2.x'"),
    ],
)
def test_mistakes_are_told_where_they_are(
    world: World, values: dict[str, list[str]], field: str, says: str
) -> None:
    request_id = world.submit(request("www"))
    page = look(world, request_id, values, status=400)
    assert page.one("p", role="alert").text
    mistakes = page.one("ul", id=f"{field}-mistakes")
    assert says in mistakes.text
    [at] = [
        one
        for one in page.walk()
        if one.attributes.get("aria-invalid") == "true" or one.attributes.get("class") == "invalid"
    ]
    assert f"{field}-mistakes" in at.attributes["aria-describedby"]
    assert not page.all("form", class_="act")
    # Nothing that was written is lost.
    again = filled(page)
    for name in ("subject", "names", "others"):
        written = values.get(name, [""])[0]
        assert again[name][0].split() == escaped(written).replace("\\0A", "\n").split()
        assert again[name][0].replace("\r\n", "").isprintable()


def test_all_mistakes_at_once(world: World) -> None:
    values = {"subject": ["x"], "names": ["-\n_"], "others": ["y"]}
    page = look(world, world.submit(request("www")), values, status=400)
    assert len(page.one("ul", id="names-mistakes").all("li")) == 2
    assert {one.attributes["id"] for one in page.all("ul", class_="alert")} == {
        "subject-mistakes",
        "names-mistakes",
        "others-mistakes",
    }


@pytest.mark.parametrize("body", [b"\xff", b"&".join(b"usage=x" for _ in range(99)), b"subject=%ff"])
def test_no_form_of_ours(world: World, body: bytes) -> None:
    world.send(f"/ui/cas/changes/{world.submit(request('www'))}", body).expect(400)


def test_more_lines_than_anybody_reads(world: World) -> None:
    request_id = world.submit(request("www"))
    body = urlencode({"subject": "CN=a", "names": "\n".join(["_"] * 12_000)}).encode()
    answer = world.send(f"/ui/cas/changes/{request_id}", body).expect(400)
    assert "12000 lines are too many" in parse(answer.body).one("main").text
    assert len(answer.body) < 150_000


def test_too_much(world: World) -> None:
    world.send(f"/ui/cas/changes/{world.submit(request('www'))}", b"names=" + b"a" * 70000).expect(413)


@pytest.mark.parametrize(
    ("more", "written"),
    [
        ([(NameOID.EMAIL_ADDRESS, "a@b.example")], "EMAILADDRESS=a@b.example,CN=x"),
        ([(NameOID.SERIAL_NUMBER, "5")], "SERIALNUMBER=5,CN=x"),
        ([(NameOID.ORGANIZATION_NAME, " lead#, trail ")], "O=\\ lead#\\, trail\\ ,CN=x"),
    ],
)
def test_the_form_reads_what_it_has_filled_in(
    more: list[tuple[x509.ObjectIdentifier, str]], written: str, world: World
) -> None:
    csr_pem = request("x", more=more[::-1])
    request_id = world.submit(csr_pem)
    values = filled(world.page(f"/ui/cas/changes/{request_id}"))
    parts = written.rpartition(",")
    assert values["subject"][0] in (written, f"{parts[2]},{parts[0]}")
    assert sign(world, request_id, look(world, request_id, values)).subject == load_request(csr_pem).subject


def test_a_name_that_would_be_read_as_another(world: World) -> None:
    request_id = world.submit(request("x", names=[x509.DNSName("a.example"), x509.DNSName("10.0.0.1")]))
    page = world.page(f"/ui/cas/changes/{request_id}")
    assert filled(page)["names"] == ["a.example"]
    assert "DNS:10.0.0.1" in page.one("main").text, "it is said that it is left out"


def test_names_that_cannot_be_written(world: World) -> None:
    name = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
    request_id = world.submit(request("www", names=[x509.DNSName("www.example"), name]))
    page = world.page(f"/ui/cas/changes/{request_id}")
    assert "DirName:CN=x" in page.one("main").text
    assert filled(page)["names"] == ["www.example"]


def test_gone_meanwhile(world: World) -> None:
    request_id = world.submit(request("www"))
    page = look(world, request_id, {"subject": ["CN=a"]})
    world.server.client.ask("DELETE", f"/cas/csr/{request_id}", user=world.user).expect(204)
    ask(world, form_of(page, "Sign this")).expect(404)
    look(world, request_id, {"subject": ["CN=a"]}, status=404)


def test_the_form_has_all_words(world: World) -> None:
    page = world.page(f"/ui/cas/changes/{world.submit(request('www'))}")
    for field, words in (("usage", USAGES), ("purpose", PURPOSES)):
        assert tuple(one.attributes["value"] for one in page.all("input", name=field)) == words
