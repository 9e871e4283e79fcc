"""Names and usages as words: what each becomes, what is refused, and that a CA would take the request."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from caucase.core.asked import (
    KEY_USAGES,
    NAME_LIMIT,
    NAMES_LIMIT,
    PURPOSES,
    asked,
    parse_key_usage,
    parse_name,
    parse_purpose,
)
from caucase.core.keys import signature_hash
from caucase.core.pem import PEM_LIMIT
from caucase.core.profile import check_request
from caucase.core.subject import parse_subject
from caucase.core.x509 import load_request
from caucase.errors import Malformed
from tests.conftest import Keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("www.example.com", x509.DNSName("www.example.com")),
        ("WWW.Example.COM", x509.DNSName("www.example.com")),
        ("localhost", x509.DNSName("localhost")),
        ("*.example.com", x509.DNSName("*.example.com")),
        ("xn--bcher-kva.example", x509.DNSName("xn--bcher-kva.example")),
        ("10.0.0.7", x509.IPAddress(ipaddress.ip_address("10.0.0.7"))),
        ("2001:DB8::1", x509.IPAddress(ipaddress.ip_address("2001:db8::1"))),
        ("Mail+a@Example.com", x509.RFC822Name("Mail+a@example.com")),
        ("URI:spiffe://example.com/www", x509.UniformResourceIdentifier("spiffe://example.com/www")),
        ("URI:urn:uuid:1", x509.UniformResourceIdentifier("urn:uuid:1")),
    ],
)
def test_names(text: str, expected: x509.GeneralName) -> None:
    assert parse_name(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "*", "*.", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "www.*.com", "w*.example.com", "*.*.com",
        "bücher.example", "10.0.0", "10.0.0.256", "10.0.0.0/8", "010.0.0.1", "[::1]", "fe80::1%eth0", ":::", "a:b",
        "DNS:www", "@", "a@", "@a", "a@b@c", ".a@b", "a..b@c", "a@*.com", '"a b"@c', "a" * 65 + "@b",
        "URI:", "URI:x", "URI:/x", "URI:a b:c", "URI:http:", "URI:é:x",
        "a" * 64 + ".com", ".".join(["a" * 63] * 4), "a" * (NAME_LIMIT + 1), "a\n", "a\0b",
    ],
)  # fmt: skip
def test_names_that_no_certificate_can_hold(text: str) -> None:
    with pytest.raises(Malformed):
        parse_name(text)


def test_an_international_name_is_refused_with_a_hint() -> None:
    with pytest.raises(Malformed, match="xn--"):
        parse_name("bücher.example")


def test_usages_and_purposes() -> None:
    assert parse_key_usage("nonRepudiation") == parse_key_usage("contentCommitment")
    assert parse_purpose("serverAuth") == ExtendedKeyUsageOID.SERVER_AUTH
    assert parse_purpose("1.3.6.1.5.5.7.3.17").dotted_string == "1.3.6.1.5.5.7.3.17"
    for text in ("keyCertSign", "cRLSign", "digital_signature", ""):
        with pytest.raises(Malformed, match="keyEncipherment"):
            parse_key_usage(text)
    for text in ("OCSPSigning", "server", "1.2", "1.99.1", "3.1.1", "1.2.03", ""):
        with pytest.raises(Malformed, match="serverAuth"):
            parse_purpose(text)


def extension(
    names: list[str], kind: type[x509.ExtensionType], **more: object
) -> x509.Extension[x509.ExtensionType]:
    arguments = {
        "subject": None,
        "key_usage": ["digital_signature"],
        "purposes": [PURPOSES["serverAuth"]],
        **more,
    }
    result = asked(names=[parse_name(name) for name in names], **arguments)  # type: ignore[arg-type]
    return result.extensions.get_extension_for_class(kind)


def test_the_first_name_is_the_subject_when_it_fits() -> None:
    def subject(name: str) -> str:
        chosen = asked(names=[parse_name(name)], subject=None, key_usage=[], purposes=[])
        return chosen.subject.rfc4514_string()

    assert subject("*.example.com") == "CN=*.example.com"
    assert subject("10.0.0.7") == "CN=10.0.0.7"
    fits = "a" * 60 + ".com"
    assert subject(fits) == f"CN={fits}"
    assert subject(f"b.{fits}") == ""
    assert extension([fits], x509.SubjectAlternativeName).critical is False
    assert extension([f"b.{fits}"], x509.SubjectAlternativeName).critical is True
    given_subject = parse_subject("CN=x,O=y")
    assert (
        asked(names=[parse_name("a")], subject=given_subject, key_usage=[], purposes=[]).subject
        == given_subject
    )


def test_extensions() -> None:
    usage = extension(["a"], x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_encipherment
    both = extension(["a"], x509.KeyUsage, key_usage=["key_agreement", "encipher_only"]).value
    assert both.encipher_only
    repeated = [PURPOSES["clientAuth"], PURPOSES["serverAuth"], PURPOSES["clientAuth"]]
    assert list(extension(["a"], x509.ExtendedKeyUsage, purposes=repeated).value) == repeated[:2]


@pytest.mark.parametrize(
    ("names", "key_usage", "said"),
    [
        ([], [], "at least one name"),
        (["a", "A"], [], "The name a is given twice"),
        ([f"a{number}" for number in range(NAMES_LIMIT + 1)], [], "too many"),
        (["a"], ["encipher_only"], "keyAgreement"),
    ],
)
def test_what_does_not_go_together(names: list[str], key_usage: list[str], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        asked(names=[parse_name(name) for name in names], subject=None, key_usage=key_usage, purposes=[])


def test_the_largest_request_is_one_that_an_authority_reads(keys: Keys) -> None:
    names = [parse_name(f"URI:x:{'a' * (NAME_LIMIT - 10)}{number:04}") for number in range(NAMES_LIMIT)]
    usages = list(KEY_USAGES.values())
    wanted = asked(names=names, subject=None, key_usage=usages, purposes=list(PURPOSES.values()))
    key = keys("rsa:2048")
    builder = x509.CertificateSigningRequestBuilder().subject_name(wanted.subject)
    for item in wanted.extensions:
        builder = builder.add_extension(item.value, item.critical)
    pem = builder.sign(key, signature_hash(key)).public_bytes(serialization.Encoding.PEM)
    assert len(pem) < PEM_LIMIT
    check_request(load_request(pem), backups=False)


@given(
    text=st.one_of(
        st.text(max_size=30), st.text(alphabet="aA1.*-@:%[]/_+URI", max_size=20), st.ip_addresses().map(str)
    )
)
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    for parse in (parse_name, parse_key_usage, parse_purpose):
        try:
            value = parse(text)  # type: ignore[operator]
        except Malformed:
            continue
        if isinstance(value, x509.GeneralName):
            x509.SubjectAlternativeName([value]).public_bytes()
