"""What an issued certificate says, rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from caucase.core import profile
from caucase.core.issue import Signer, Validity, issue, issue_ca, random_serial, serial_at
from caucase.core.netloc import NetLoc
from caucase.core.profile import (
    AUTO_SIGNED_NOTICE,
    AUTO_SIGNED_OID,
    CAUCASE_OID,
    LEGACY_OID,
    Asked,
    check_identity,
    check_request,
)
from caucase.core.spki import key_id
from caucase.core.x509 import (
    SERIAL_MAX,
    authority_key_id,
    is_ca,
    load_certificate_der,
    load_request,
    load_request_der,
    not_after,
    not_before,
    public_key,
    subject_key_id,
)
from caucase.errors import Malformed, NotAcceptable

from . import der

NOW = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
URL = "http://ca.example.com:8009/cas/crl/1.der"
NEIGHBOUR = "1.3.6.1.4.1.37476.9000.70.10"
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
Certify = Callable[..., x509.Certificate]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in USAGES})


def usages(value: x509.KeyUsage) -> set[str]:
    readable = USAGES if value.key_agreement else USAGES[:-2]
    return {name for name in readable if getattr(value, name)}


def policy(oid: str) -> x509.PolicyInformation:
    return x509.PolicyInformation(x509.ObjectIdentifier(oid), None)


def get(certificate: x509.Certificate, kind: type) -> x509.Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


@pytest.fixture(scope="module")
def ca(keys) -> Signer:
    return issue_ca(
        keys("ec:P-384"),
        subject=profile.ca_subject("Caucase CAS", NetLoc.parse("ca.example.com:8009")),
        extensions=profile.ca_extensions(),
        validity=Validity.starting(NOW, timedelta(days=40)),
        serial=random_serial(),
    )


@pytest.fixture(scope="module")
def certify(ca: Signer, make_csr) -> Certify:
    """``certify((extension, critical), …)``: the certificate for a request with these extensions."""

    def made(
        *extensions: tuple[x509.ExtensionType, bool],
        name: str | None = "www.example.com",
        asked: Asked | None = None,
        auto_signed: bool = False,
        crl_url: str | None = URL,
    ) -> x509.Certificate:
        csr = load_request(make_csr(name, extensions=extensions))
        if asked is None:
            asked = Asked.by(csr)
        key = public_key(csr)
        return issue(
            ca,
            key=key,
            subject=asked.subject,
            extensions=profile.leaf_extensions(
                asked,
                key_id=key_id(key),
                issuer=subject_key_id(ca.certificate),
                crl_url=crl_url,
                auto_signed=auto_signed,
            ),
            validity=Validity.starting(NOW, timedelta(days=10)),
            serial=random_serial(),
        )

    return made


def test_what_every_certificate_says(ca: Signer, certify: Certify, keys) -> None:
    made = certify()
    basic = get(made, x509.BasicConstraints)
    assert basic == x509.Extension(
        x509.BasicConstraints.oid, critical=True, value=x509.BasicConstraints(ca=False, path_length=None)
    )
    identifier, authority = get(made, x509.SubjectKeyIdentifier), get(made, x509.AuthorityKeyIdentifier)
    assert identifier is not None
    assert authority is not None
    assert identifier.value.digest == key_id(keys().public_key())
    assert not identifier.critical
    assert authority.value.key_identifier == key_id(ca.key.public_key()) == authority_key_id(made)
    assert authority.value.authority_cert_issuer is None
    assert not authority.critical
    points = get(made, x509.CRLDistributionPoints)
    assert points is not None
    assert [name.value for point in points.value for name in point.full_name] == [URL]
    assert len(made.extensions) == 4
    assert not is_ca(made)
    assert made.issuer == ca.certificate.subject
    assert made.version is x509.Version.v3


def test_users_certificates_do_not_say_where_the_list_is(certify: Certify) -> None:
    assert get(certify(crl_url=None), x509.CRLDistributionPoints) is None


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (["digital_signature"], ["digital_signature"]),
        (USAGES[:5], USAGES[:5]),
        (USAGES, {*USAGES} - {"key_cert_sign", "crl_sign"}),
        (["digital_signature", "key_cert_sign"], ["digital_signature"]),
        (["digital_signature", "crl_sign"], ["digital_signature"]),
        (["key_agreement", "encipher_only"], ["key_agreement", "encipher_only"]),
        (["key_agreement", "decipher_only"], ["key_agreement", "decipher_only"]),
        (["key_cert_sign"], []),
        (["crl_sign", "key_cert_sign"], []),
    ],
)
def test_key_usage(certify: Certify, asked: list[str], given: list[str], critical: bool) -> None:
    found = get(certify((usage(*asked), critical)), x509.KeyUsage)
    if given:
        assert found is not None
        assert usages(found.value) == set(given)
        assert found.critical is critical
    else:
        assert found is None  # RFC 5280 section 4.2.1.3: at least one bit


SERVER, CLIENT, OCSP = (
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.OCSP_SIGNING,
)
PRIVATE = x509.ObjectIdentifier("1.2.3.4")


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("asked", "given"),
    [([SERVER, CLIENT, PRIVATE], [SERVER, CLIENT, PRIVATE]), ([SERVER, OCSP], [SERVER]), ([OCSP], None)],
)
def test_extended_key_usage(certify: Certify, asked: list, given: list | None, critical: bool) -> None:
    found = get(certify((x509.ExtendedKeyUsage(asked), critical)), x509.ExtendedKeyUsage)
    assert (None if found is None else list(found.value)) == given
    assert found is None or found.critical is critical


@pytest.mark.parametrize(
    ("name", "critical", "given"),
    [("x", False, False), ("x", True, True), (None, False, True), (None, True, True)],
)
def test_alternative_names(certify: Certify, name: str | None, critical: bool, given: bool) -> None:
    asked = x509.SubjectAlternativeName([x509.DNSName("*.example"), x509.RFC822Name("a@example")])
    found = get(certify((asked, critical), name=name), x509.SubjectAlternativeName)
    assert found is not None
    assert found.value == asked
    assert found.critical is given


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (["1.2.3", "2.5.29.32.0"], ["1.2.3", "2.5.29.32.0"]),
        ([CAUCASE_OID], []),
        ([f"{CAUCASE_OID}.0"], []),
        ([f"{CAUCASE_OID}.999"], []),
        ([f"{CAUCASE_OID}.999.1", "1.2.3"], ["1.2.3"]),
        ([NEIGHBOUR], [NEIGHBOUR]),
        ([CAUCASE_OID.removesuffix(".0")], [CAUCASE_OID.removesuffix(".0")]),
    ],
)
def test_policies(certify: Certify, asked: list[str], given: list[str], critical: bool) -> None:
    made = certify((x509.CertificatePolicies([policy(oid) for oid in asked]), critical))
    found = get(made, x509.CertificatePolicies)
    assert ([] if found is None else [p.policy_identifier.dotted_string for p in found.value]) == given
    assert found is None or found.critical is critical
    assert not profile.is_auto_signed(made)


def test_old_policies_are_dropped_where_they_can_be_read(ca: Signer, certify: Certify) -> None:
    data = der.request(der.NAME, der.policy(f"{LEGACY_OID}.0"))
    if not old_oids_can_be_read():
        with pytest.raises(Malformed):  # so nothing of it comes into a certificate
            load_request_der(data)
        return
    csr = load_request_der(data)
    assert get(certify(asked=Asked.by(csr)), x509.CertificatePolicies) is None
    marked = certify(asked=Asked.by(csr), auto_signed=True)
    found = get(marked, x509.CertificatePolicies)
    assert found is not None
    assert [p.policy_identifier for p in found.value] == [AUTO_SIGNED_OID]


def test_old_mark_is_read_as_the_mark() -> None:
    data = der.certificate(der.policy(f"{LEGACY_OID}.0"))
    if not old_oids_can_be_read():
        with pytest.raises(Malformed):
            load_certificate_der(data)
        return
    assert profile.is_auto_signed(load_certificate_der(data))


def old_oids_can_be_read() -> bool:
    """Versions 38 and 43 of the library cannot represent arcs of that size."""
    try:
        x509.ObjectIdentifier(f"{LEGACY_OID}.0")
    except ValueError:
        return False
    return True


def test_mark_of_automatic_signing(certify: Certify) -> None:
    made = certify((x509.CertificatePolicies([policy("1.2.3")]), False), auto_signed=True)
    assert profile.is_auto_signed(made)
    found = get(made, x509.CertificatePolicies)
    assert found is not None
    other, mark = found.value
    assert other == policy("1.2.3")
    assert mark.policy_identifier.dotted_string == "1.3.6.1.4.1.37476.9000.70.0.0"
    [notice] = mark.policy_qualifiers
    assert (notice.explicit_text, notice.notice_reference) == ("Auto-signed caucase certificate", None)
    assert notice.explicit_text == AUTO_SIGNED_NOTICE
    # Renewal: what is asked is what the old certificate says, and the mark is there once.
    renewed = certify(asked=Asked.by(made), auto_signed=profile.is_auto_signed(made))
    assert profile.is_auto_signed(renewed)
    assert get(renewed, x509.CertificatePolicies) == found
    unmarked = certify(asked=Asked.by(made), auto_signed=False)
    assert not profile.is_auto_signed(unmarked)
    assert not profile.is_auto_signed(certify())


@pytest.mark.parametrize(
    "extension",
    [
        x509.BasicConstraints(ca=True, path_length=9),
        x509.SubjectKeyIdentifier(b"mine"),
        x509.AuthorityKeyIdentifier(b"mine", None, None),
        x509.NameConstraints([x509.DNSName("x")], None),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"any"),
        x509.InhibitAnyPolicy(0),
        x509.OCSPNoCheck(),
        x509.TLSFeature([x509.TLSFeatureType.status_request]),
        x509.AuthorityInformationAccess(
            [x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, x509.DNSName("x"))]
        ),
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.UniformResourceIdentifier("http://evil/")], None, None, None)]
        ),
    ],
    ids=lambda extension: type(extension).__name__,
)
@pytest.mark.parametrize("critical", [True, False])
def test_everything_else_is_dropped(certify: Certify, extension: x509.ExtensionType, critical: bool) -> None:
    made, plain = certify((extension, critical)), certify()
    assert list(made.extensions) == list(plain.extensions)


def test_subject_is_not_touched(certify: Certify) -> None:
    csr = load_request_der(
        der.request(
            der.name((der.COUNTRY, der.PRINTABLE, b"FR"), (der.CN, der.BMP, b"\0x"), (der.CN, der.UTF8, b"y"))
        )
    )
    made = certify(asked=Asked.by(csr))
    assert made.subject == csr.subject
    assert made.subject.public_bytes() == csr.subject.public_bytes()


# Requests


@pytest.mark.parametrize("backups", [True, False])
@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"])
def test_keys_of_requests(make_csr, keys, kind: str, backups: bool) -> None:
    csr = load_request(make_csr(key=keys(kind)))
    if kind == "ed25519" and backups:
        with pytest.raises(NotAcceptable, match="backup"):
            check_request(csr, backups=backups)
    else:
        check_request(csr, backups=backups)


def test_request_that_names_nobody(make_csr) -> None:
    empty = x509.SubjectAlternativeName([])
    for extensions in ([], [(empty, True)], [(usage("digital_signature"), True)]):
        with pytest.raises(Malformed, match="neither a subject"):
            check_identity(Asked.by(load_request(make_csr(None, extensions=extensions))))
    named = x509.SubjectAlternativeName([x509.DNSName("www.example")])
    check_identity(Asked.by(load_request(make_csr(None, extensions=[(named, False)]))))
    check_identity(Asked.by(load_request(make_csr("x"))))


# CAs


@pytest.mark.parametrize(
    ("text", "common_name"),
    [
        ("ca.example.com", "Caucase CAS at ca.example.com"),
        ("ca.example.com:8009", "Caucase CAS at ca.example.com:8009"),
        ("[2001:db8::1]:8009", "Caucase CAS at [2001:db8::1]:8009"),
        (f"{'a' * 49}", f"Caucase CAS at {'a' * 49}"),
        (f"{'a' * 50}", f"Caucase CAS at {'a' * 49}"),
        (f"{'a' * 60}.{'b' * 60}:8009", f"Caucase CAS at {'a' * 49}"),
    ],
)
def test_ca_subject(text: str, common_name: str) -> None:
    [attribute] = profile.ca_subject("Caucase CAS", NetLoc.parse(text))
    assert attribute.value == common_name
    assert attribute.oid == x509.NameOID.COMMON_NAME


def test_ca(ca: Signer) -> None:
    made = ca.certificate
    basic, bits = get(made, x509.BasicConstraints), get(made, x509.KeyUsage)
    assert basic is not None
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert bits is not None
    assert (bits.critical, usages(bits.value)) == (True, {"key_cert_sign", "crl_sign"})
    assert subject_key_id(made) == authority_key_id(made) == key_id(ca.key.public_key())
    assert len(made.extensions) == 4
    assert made.issuer == made.subject


def test_successor_says_the_same_but_for_its_key(keys) -> None:
    old = issue_ca(
        keys(),
        subject=x509.Name([]),
        extensions=[
            *profile.https_ca_extensions(NetLoc.parse("host")),
            profile.Extension(
                value=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"imported")
            ),
        ],
        validity=Validity.starting(NOW, timedelta(days=40)),
        serial=random_serial(),
    ).certificate
    new = issue_ca(
        keys("ec:P-256", 1),
        subject=old.subject,
        extensions=profile.inherited_ca_extensions(old),
        validity=Validity.starting(NOW, timedelta(days=40)),
        serial=random_serial(),
    ).certificate
    own = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
    assert [e for e in new.extensions if not isinstance(e.value, own)] == [
        e for e in old.extensions if not isinstance(e.value, own)
    ]
    assert subject_key_id(new) == authority_key_id(new) != subject_key_id(old)


@pytest.mark.parametrize(
    ("text", "permitted", "excluded"),
    [
        ("ca.example.com:80", ["ca.example.com"], ["0.0.0.0/0", "::/0"]),
        ("192.0.2.1", ["192.0.2.1/32"], [""]),
        ("[2001:db8::1]:8009", ["2001:db8::1/128"], [""]),
    ],
)
def test_https_ca(text: str, permitted: list[str], excluded: list[str]) -> None:
    [constraints] = [
        e
        for e in profile.https_ca_extensions(NetLoc.parse(text))
        if isinstance(e.value, x509.NameConstraints)
    ]
    assert constraints.critical
    assert [str(name.value) for name in constraints.value.permitted_subtrees or ()] == permitted
    assert [str(name.value) for name in constraints.value.excluded_subtrees or ()] == excluded


def test_https_leaf(ca: Signer, keys) -> None:
    key = keys().public_key()
    said = {
        type(e.value): e
        for e in profile.https_leaf_extensions(
            NetLoc.parse("192.0.2.1:1"), key_id=key_id(key), issuer=key_id(key)
        )
    }
    assert said[x509.SubjectAlternativeName].critical
    assert [str(name.value) for name in said[x509.SubjectAlternativeName].value] == ["192.0.2.1"]
    assert usages(said[x509.KeyUsage].value) == {"digital_signature"}
    assert said[x509.KeyUsage].critical


# Dates, serials, secrets


def test_validity_starts_ten_seconds_ago_in_whole_seconds() -> None:
    validity = Validity.starting(NOW, timedelta(days=10))
    assert validity.not_before == datetime(2030, 1, 1, 11, 59, 50, tzinfo=UTC)
    assert validity.not_after - validity.not_before == timedelta(days=10)


def test_no_certificate_outlives_its_ca(ca: Signer, keys) -> None:
    for days, end in ((10, NOW + timedelta(days=10)), (400, NOW + timedelta(days=40))):
        made = issue(
            ca,
            key=keys().public_key(),
            subject=x509.Name([]),
            extensions=[],
            validity=Validity.starting(NOW, timedelta(days=days)),
            serial=random_serial(),
        )
        assert not_before(made) == not_before(ca.certificate)
        assert not_after(made) == end.replace(microsecond=0) - timedelta(seconds=10)


def test_serials_are_random_positive_and_short() -> None:
    serials = {random_serial() for _ in range(1000)}
    assert len(serials) == 1000
    assert all(0 < serial <= SERIAL_MAX for serial in serials)
    assert max(serials).bit_length() > 150
    assert SERIAL_MAX.bit_length() < 160  # or the leading zero octet of its DER is the 21st


def test_serials_of_a_time_are_neighbours_that_cannot_be_guessed() -> None:
    moments = [
        datetime(2020, 1, 1, tzinfo=UTC),
        NOW,
        NOW + timedelta(milliseconds=1),
        NOW + timedelta(seconds=1),
        datetime(2088, 1, 1, tzinfo=UTC),
    ]
    serials = [[serial_at(moment) for _ in range(1000)] for moment in moments]
    for number, of_one in enumerate(serials):
        assert len({serial % 2**112 for serial in of_one}) == 1000
        assert all(0 < serial <= SERIAL_MAX for serial in of_one)
        assert number == 0 or max(serials[number - 1]) < min(of_one)


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_time_has_serials(moment: datetime) -> None:
    assert 0 < serial_at(moment) <= SERIAL_MAX


def test_repr_of_a_signer_has_no_key(ca: Signer) -> None:
    assert repr(ca) == "Signer('CN=Caucase CAS at ca.example.com:8009')"
