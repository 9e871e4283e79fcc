"""What the authority would make of a request, compared with what it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from caucase.core import profile, wording
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial
from caucase.core.netloc import NetLoc
from caucase.core.preview import BY_ISSUER, ExtensionPreview, Fate, Preview, preview
from caucase.core.profile import AUTO_SIGNED_OID, Asked
from caucase.core.spki import key_id
from caucase.core.x509 import key_id_in, load_request, load_request_der, public_key, subject_key_id

from . import der

URL = "http://ca.example.com:8009/cas/crl/1.der"
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
Look = Callable[..., Preview]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in USAGES})


def policies(*oids: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    )


@pytest.fixture(scope="module")
def ca(keys) -> Signer:
    return issue_ca(
        keys("ec:P-384"),
        subject=profile.ca_subject("Caucase CAS", NetLoc.parse("ca.example.com:8009")),
        extensions=profile.ca_extensions(),
        validity=Validity.starting(datetime.now(UTC), timedelta(days=40)),
        serial=random_serial(),
    )


@pytest.fixture(scope="module")
def look(make_csr) -> Look:
    def looked(
        *extensions: tuple[x509.ExtensionType, bool],
        name: str | None = "www.example.com",
        users: bool = False,
        **more: object,
    ) -> Preview:
        request = load_request(make_csr(name, extensions=extensions, **more))
        return preview(request, backups=users, publishes_crl_url=not users)

    return looked


def one(found: Preview, name: str) -> ExtensionPreview:
    [extension] = [extension for extension in found.extensions if extension.name == name]
    return extension


def test_what_a_request_says(look: Look, make_csr, keys) -> None:
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("www.example.com"),
            x509.IPAddress(ip_address("::1")),
            x509.RFC822Name("me@example.com"),
            x509.UniformResourceIdentifier("https://example.com/"),
        ]
    )
    found = look((names, False), (usage("digital_signature", "content_commitment"), True))
    assert found.subject == "CN=www.example.com"
    assert found.subject_attributes == (("CN", "www.example.com"),)
    expected = ("DNS:www.example.com", "IP:::1", "email:me@example.com", "URI:https://example.com/")
    assert found.names == found.asked("subjectAltName") == expected
    assert found.asked("keyUsage") == ("digitalSignature", "nonRepudiation")
    assert found.asked("extKeyUsage") == ()
    assert (found.key, found.signature) == ("ec:P-256", "ecdsa-with-SHA256")
    assert found.key_id == key_id_in(load_request(make_csr())).hex()
    assert (found.ignored, found.refusal) == ((), "")
    assert one(found, "subjectAltName").fate is one(found, "keyUsage").fate is Fate.KEPT
    assert one(found, "subjectAltName").lost == ()


@pytest.mark.parametrize(
    ("kind", "key", "signature"),
    [
        ("rsa:2048", "rsa:2048", "sha256WithRSAEncryption"),
        ("ec:P-384", "ec:P-384", "ecdsa-with-SHA384"),
        ("ec:P-521", "ec:P-521", "ecdsa-with-SHA512"),
        ("ed25519", "ed25519", "ED25519"),
    ],
)
def test_keys(look: Look, keys, kind: str, key: str, signature: str) -> None:
    found = look(key=keys(kind))
    assert (found.key, found.signature) == (key, signature)


@pytest.mark.parametrize(
    ("extension", "fate", "name", "lost"),
    [
        ((x509.BasicConstraints(ca=True, path_length=3), True), "changed", "basicConstraints", "CA:TRUE pathlen:3"),
        ((x509.BasicConstraints(ca=False, path_length=None), True), "kept", "basicConstraints", ""),
        ((usage("key_cert_sign", "key_agreement", "encipher_only"), True), "changed", "keyUsage", "keyCertSign"),
        ((usage("crl_sign"), True), "dropped", "keyUsage", "cRLSign"),
        (
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH]), False),
            "changed", "extKeyUsage", "OCSPSigning",
        ),
        ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False), "dropped", "extKeyUsage", "OCSPSigning"),
        ((policies("1.2.3", AUTO_SIGNED_OID.dotted_string), False), "changed", "certificatePolicies",
         AUTO_SIGNED_OID.dotted_string),
        ((x509.SubjectKeyIdentifier(b"mine"), False), "changed", "subjectKeyIdentifier", "6d696e65"),
        ((x509.OCSPNoCheck(), False), "dropped", "ocspNoCheck", "DER:0500"),
        ((x509.NameConstraints([x509.DNSName("x")], None), True), "dropped", "nameConstraints", "DER:3007a0053003820178"),
        ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"any"), True), "dropped", "1.2.3.4", "DER:616e79"),
        ((x509.SubjectAlternativeName([]), False), "dropped", "subjectAltName", ""),
    ],
)  # fmt: skip
def test_fate_of_an_extension(
    look: Look, extension: tuple[x509.ExtensionType, bool], fate: str, name: str, lost: str
) -> None:
    found = one(look(extension), name)
    assert found.fate == fate
    assert found.lost == tuple(lost.split())
    assert bool(found.reason) == (fate != "kept")
    assert found.oid == extension[0].oid.dotted_string


def test_names_become_critical_without_a_subject(look: Look) -> None:
    found = one(look((x509.SubjectAlternativeName([x509.DNSName("x")]), False), name=None), "subjectAltName")
    assert (found.fate, found.asked_critical, found.issued_critical) == (Fate.CHANGED, False, True)
    assert "no subject" in found.reason


def test_what_is_added(look: Look) -> None:
    service, user = look(), look(users=True)
    added = ["basicConstraints", "subjectKeyIdentifier", "authorityKeyIdentifier", "cRLDistributionPoints"]
    assert [extension.name for extension in service.extensions] == added
    assert [extension.name for extension in user.extensions] == added[:3]
    assert {extension.fate for extension in service.extensions} == {Fate.ADDED}
    assert one(service, "authorityKeyIdentifier").issued == (BY_ISSUER,)
    assert one(service, "basicConstraints").issued_critical
    own = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier("http://x/")], None, None, None)]
    )
    assert one(look((own, False)), "cRLDistributionPoints").fate is Fate.CHANGED
    assert one(look((own, False), users=True), "cRLDistributionPoints").fate is Fate.DROPPED


def test_attributes_that_matter_to_nobody() -> None:
    challenge = der.seq(der.oid("1.2.840.113549.1.9.7"), der.tlv(der.SET, der.tlv(der.UTF8, b"secret")))
    other = der.seq(der.oid("2.999.65536.1"), der.tlv(der.SET, der.tlv(der.UTF8, b"x")))
    name = der.extension(der.SAN, der.seq(der.tlv(0x82, b"x")))
    # X.690 section 11.6: the members of a set are sorted.
    attributes = b"".join(sorted([challenge, other, der.attribute(der.seq(name))]))
    request = load_request_der(der.request(der.NAME, attributes=attributes))
    found = preview(request, backups=False, publishes_crl_url=True)
    assert set(found.ignored) == {"challengePassword", "2.999.65536.1"}
    assert found.names == ("DNS:x",)


@pytest.mark.parametrize(
    ("kind", "users", "refusal"),
    [("ed25519", True, "no backup"), ("ed25519", False, ""), ("ec:P-256", True, "")],
)
def test_what_would_be_refused(look: Look, keys, kind: str, users: bool, refusal: str) -> None:
    found = look(key=keys(kind), users=users)
    assert refusal in found.refusal
    assert bool(found.refusal) == bool(refusal)


def test_nobody_is_named(look: Look) -> None:
    assert "neither a subject" in look(name=None).refusal


def test_template(make_csr, keys) -> None:
    """What is signed instead of the request's own; the key stays."""
    request = load_request(
        make_csr("evil", extensions=[(x509.BasicConstraints(ca=True, path_length=None), True)])
    )
    template = load_request(make_csr("good", key=keys("rsa:2048")))
    found = preview(request, template=template, backups=False, publishes_crl_url=True)
    assert (found.subject, found.key, found.key_id) == ("CN=good", "ec:P-256", key_id_in(request).hex())
    assert one(found, "basicConstraints").fate is Fate.ADDED


def test_hostile_text_is_told_as_it_is() -> None:
    """Whoever shows it escapes it: nothing is lost on the way."""
    hostile = "\N{RIGHT-TO-LEFT OVERRIDE}\x1b[2J\0\n" + "x" * 10240
    request = load_request_der(
        der.request(
            der.name(("2.5.4.10", der.UTF8, hostile.encode()), ("2.5.4.45", der.BIT_STRING, b"\0\x01")),
            der.extension(der.SAN, der.seq(der.tlv(0x82, b"a\x1b[2Jb"))),
        )
    )
    found = preview(request, backups=False, publishes_crl_url=True)
    assert found.subject_attributes[0] == ("O", hostile)
    assert found.names == ("DNS:a\x1b[2Jb",)


VALUES = st.one_of(
    st.builds(lambda names: usage(*names, "key_agreement"), st.lists(st.sampled_from(USAGES))),
    st.builds(
        lambda oids: x509.ExtendedKeyUsage(oids),
        st.lists(
            st.sampled_from([ExtendedKeyUsageOID.OCSP_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH,
                             x509.ObjectIdentifier("1.2.3")]), min_size=1, unique=True,
        ),
    ),
    st.builds(lambda ca: x509.BasicConstraints(ca=ca, path_length=None), st.booleans()),
    st.builds(
        lambda oids: policies(*oids),
        st.lists(st.sampled_from(["1.2.3", "2.5", AUTO_SIGNED_OID.dotted_string]), min_size=1, unique=True),
    ),
    st.builds(lambda digest: x509.SubjectKeyIdentifier(digest), st.binary(min_size=1, max_size=20)),
    st.builds(lambda names: x509.SubjectAlternativeName([x509.DNSName(name) for name in names]),
              st.lists(st.sampled_from(["a", "b.c"]), min_size=1)),
    st.just(x509.InhibitAnyPolicy(1)),
)  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(st.tuples(VALUES, st.booleans()), unique_by=lambda pair: pair[0].oid),
    st.booleans(),
    st.booleans(),
)
def test_the_certificate_is_as_foreseen(
    ca: Signer, make_csr, extensions: list[tuple[x509.ExtensionType, bool]], users: bool, named: bool
) -> None:
    request = load_request(make_csr("www.example.com" if named else None, extensions=extensions))
    asked, key = Asked.by(request), public_key(request)
    issued = profile.leaf_extensions(
        asked,
        key_id=key_id(key),
        issuer=subject_key_id(ca.certificate),
        crl_url=None if users else URL,
        auto_signed=False,
    )
    certificate = issue(
        ca,
        key=key,
        subject=asked.subject,
        extensions=issued,
        validity=Validity.starting(datetime.now(UTC), timedelta(days=10)),
        serial=random_serial(),
    )
    found = preview(request, backups=users, publishes_crl_url=not users)
    assert found.subject == certificate.subject.rfc4514_string()
    foreseen = {
        extension.oid: (extension.issued, extension.issued_critical)
        for extension in found.extensions
        if extension.fate is not Fate.DROPPED
    }
    assert foreseen.keys() == {extension.oid.dotted_string for extension in certificate.extensions}
    for extension in certificate.extensions:
        items, critical = foreseen[extension.oid.dotted_string]
        assert critical == extension.critical
        assert items in ((BY_ISSUER,), wording.extension_items(extension.value))
    for extension in found.extensions:
        assert (extension.fate is Fate.KEPT) == (
            (extension.asked, extension.asked_critical) == (extension.issued, extension.issued_critical)
        )


def test_all_of_a_policy_is_said() -> None:
    """A reference is issued, so it is shown."""
    notice = x509.UserNotice(x509.NoticeReference("Approved by Example Bank", [7]), "and a text")
    policies = x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), ["https://a.example", notice])]
    )
    assert wording.extension_items(policies) == (
        "1.2.3.4 https://a.example Approved by Example Bank 7 and a text",
    )


def test_only_being_critical_alters_nothing(look: Look) -> None:
    """What every other request of openssl's has; a warning for each would be read by nobody."""
    found = one(look((x509.BasicConstraints(ca=False, path_length=None), False)), "basicConstraints")
    assert (found.fate, found.is_altered) == (Fate.CHANGED, False)
    assert "critical" in found.reason
    assert one(look((x509.BasicConstraints(ca=True, path_length=None), True)), "basicConstraints").is_altered
